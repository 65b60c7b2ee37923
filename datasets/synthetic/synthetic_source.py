"""Synthetic people as a set of scans: the name tells the seed, the seed makes the person."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from datasets.rendering.scan import Scan
from datasets.synthetic.person import make_person
from utils.errors import InputError


@dataclass(frozen=True)
class Synthetic:
    """People of our own: seeds from `seed` on."""

    count: int
    seed: int
    set_name: str = "Synthetic"

    def names(self) -> list[str]:
        """See datasets.rendering.scan_sources.ScanSource."""
        return [f"synthetic_{seed:06d}" for seed in range(self.seed, self.seed + self.count)]

    def files(self, name: str) -> list[Path]:
        """None: the name says it all."""
        return []

    @staticmethod
    def seed_of(name: str) -> int | None:
        """The seed that a person's name tells; None: not a name of ours."""
        match = re.fullmatch(r"synthetic_(\d{6,})", name)
        return int(match.group(1)) if match else None

    def load(self, name: str) -> Scan:
        """See datasets.rendering.scan_sources.ScanSource."""
        seed = self.seed_of(name)
        if seed is None:
            raise InputError(f"{name}: no synthetic person, expected a name such as synthetic_000007")
        return replace(make_person(seed), name=name)
