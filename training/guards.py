"""What stops a training that has gone wrong, with a word about which network and what to try."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

BLACK_BELOW = 1e-3
"""Stored normals: a network whose mean is below this says nothing; a person on a hundredth of the pixels gives 5e-3."""
CONSTANT_BELOW = 1e-4
"""Spread of stored normals over all pixels below which an output is constant."""
CHECK_STEPS = 100
REMEDY = (
    "try another --set run.seed, a smaller learning_rate, clip_norm 1, or a larger batch_size, and look at the inputs "
    "in the panels"
)


class TrainingFailed(Exception):
    """Training cannot go on; the message is one line: what happened, where, and what to try."""


def refuse_dead_normals(normals: Mapping[str, Tensor], when: str) -> None:
    """Look for normals of which a component is black or the same everywhere.

    Args:
        normals: network -> (N, 6, h, w) stored normals, front and back.
        when: "after 300 steps", for the message.

    Raises:
        TrainingFailed: names the network, the side and the components.
    """
    for network, output in normals.items():
        values = output.float()
        black = values.mean((0, 2, 3)) < BLACK_BELOW
        constant = values.amax((0, 2, 3)) - values.amin((0, 2, 3)) < CONSTANT_BELOW
        for side, first in (("front", 0), ("back", 3)):
            dead = [axis for axis in range(3) if black[first + axis] or constant[first + axis]]
            if dead:
                fault = "black" if all(black[first + axis] for axis in dead) else "constant"
                names = ", ".join("xyz"[axis] for axis in dead)
                raise TrainingFailed(f"{network}: the {side} normals are {fault} in {names} {when}: {REMEDY}")


class DeadNormalsGuard:
    """Checks the normal networks once they had time to learn, and every CHECK_STEPS steps from there on."""

    def __init__(self, after: int) -> None:
        self.after = after

    def check(self, step: int, normals: Mapping[str, Tensor]) -> None:
        """After `step` steps; raises TrainingFailed."""
        if step >= self.after and (step - self.after) % CHECK_STEPS == 0:
            refuse_dead_normals(normals, f"after {step} steps")


class NonFiniteGuard:
    """Counts steps that were skipped because a loss or gradient was not finite; too many running end the training."""

    def __init__(self, limit: int, skipped: int = 0) -> None:
        self.limit = limit
        self.skipped = skipped
        self.running = 0

    def passed(self) -> None:
        """A step went well."""
        self.running = 0

    def failed(self, step: int, terms: Mapping[str, Tensor], gradients: Mapping[str, Tensor]) -> None:
        """A step is skipped.

        Args:
            terms: name -> loss term.
            gradients: parameter -> gradient.

        Raises:
            TrainingFailed: it was the last one allowed.
        """
        self.skipped += 1
        self.running += 1
        if self.running < self.limit:
            return
        where = [f"loss {name}" for name, term in terms.items() if not torch.isfinite(term).all()]
        where += sorted(
            {f"gradient of {name.split('.')[0]}" for name, g in gradients.items() if not torch.isfinite(g).all()}
        )
        raise TrainingFailed(
            f"{', '.join(where)}: not finite for {self.running} steps running, up to step {step}: {REMEDY}"
        )
