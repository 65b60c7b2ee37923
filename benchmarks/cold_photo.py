"""One photo to a textured GLB, as a program of its own (`benchmark.py --stages photo-to-glb-cold`)."""

from __future__ import annotations

from utils.script import ends_in_one_line

import sys
from collections.abc import Sequence

from benchmarks.photo_runs import to_glb


@ends_in_one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    to_glb()()
    return 0


if __name__ == "__main__":
    sys.exit(main())
