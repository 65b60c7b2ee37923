"""A checkpoint to hand on: weights in half the bytes, without the state of training.

python -m utils.export_checkpoint checkpoints/small_phase2/best.pt checkpoints/small.pt
"""

from __future__ import annotations

from utils.script import ends_in_one_line

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from utils.checkpoint import read_checkpoint, write_checkpoint
from utils.checksums import renew_checksum
from utils.errors import InputError

SMALLEST_HALVED = 1024
"""Tensors with fewer numbers (biases, BatchNorm statistics) stay in float32: they weigh nothing and some are large."""


def halved(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights with their large tensors in float16; loading them into a model brings float32 back."""
    return {
        name: t.half() if t.is_floating_point() and t.numel() >= SMALLEST_HALVED else t for name, t in weights.items()
    }


@ends_in_one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="checkpoint of train.py")
    parser.add_argument("target", help="file to write")
    args = parser.parse_args(argv)
    try:
        checkpoint = read_checkpoint(args.source)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    provenance = {"trained": checkpoint.extra["trained"]} if "trained" in checkpoint.extra else {}
    weights = halved(checkpoint.weights)
    if not all(torch.isfinite(tensor).all() for tensor in weights.values()):
        print(f"error: {args.source}: a weight does not fit float16, expected trained weights", file=sys.stderr)
        return 1
    write_checkpoint(args.target, checkpoint.model, weights, **provenance)
    renew_checksum(Path(args.target))
    return 0


if __name__ == "__main__":
    sys.exit(main())
