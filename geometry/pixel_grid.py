"""Triangles between the pixels of a mask, and the closed curve of edges around them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_AROUND = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
"""(row, column) of a pixel's neighbours in turn; the even ones share a side with it."""


def _fans_of_neighbours() -> np.ndarray:
    """(256,) uint8: how many separate fans of triangles meet at a pixel, by its neighbours as bits of `_AROUND`."""
    fans = np.zeros(256, np.uint8)
    for bits in range(256):
        there = [bool(bits >> turn & 1) for turn in range(8)]
        # Eighths of the full turn: the triangle of three pixels of a 2x2 block covers one or two of them.
        eighths = []
        for corner in (1, 3, 5, 7):
            before, after = there[corner - 1], there[(corner + 1) % 8]
            eighths += [before and (there[corner] or after), after and (there[corner] or before)]
        fans[bits] = 1 if all(eighths) else sum(now and not eighths[turn - 1] for turn, now in enumerate(eighths))
    return fans


_FANS = _fans_of_neighbours()


def manifold_part(mask: np.ndarray) -> np.ndarray:
    """The mask without pixels that no triangle uses, and without those at which its triangles touch in a point only.

    Args:
        mask: (h, w) bool.

    Returns:
        (h, w) bool, a part of the mask; around it runs a set of closed curves that do not meet.
    """
    weights = np.zeros((3, 3), np.float32)
    for turn, (down, right) in enumerate(_AROUND):
        weights[1 + down, 1 + right] = 1 << turn
    kept, before = mask, -1
    while before != (before := int(np.count_nonzero(kept))):
        neighbours = cv2.filter2D(kept.astype(np.float32), -1, weights, borderType=cv2.BORDER_CONSTANT)
        kept = kept & (_FANS[neighbours.astype(np.uint8)] == 1)
    return kept


@dataclass(frozen=True)
class PixelGrid:
    """The pixels of a mask as vertices, numbered row by row, and what lies between them."""

    mask: np.ndarray  # (h, w) bool
    index: np.ndarray  # (h, w) int32, number of each pixel of the mask; -1 elsewhere

    @classmethod
    def of(cls, mask: np.ndarray) -> PixelGrid:
        """Number the pixels of an (h, w) bool mask."""
        index = np.full(mask.shape, -1, np.int32)
        index[mask] = np.arange(np.count_nonzero(mask), dtype=np.int32)
        return cls(mask, index)

    def triangles(self, values: np.ndarray) -> np.ndarray:
        """All triangles of pixels that lie in a 2x2 block, counter-clockwise as seen on the picture.

        Args:
            values: (h, w), such as depth: a full block is cut along the diagonal on which they differ less.

        Returns:
            (F, 3) int32.
        """
        (a, b, c, d), (has_a, has_b, has_c, has_d) = _blocks(self.index), _blocks(self.mask)
        value_a, value_b, value_c, value_d = _blocks(values)
        full = has_a & has_b & has_c & has_d
        falling = full & (abs(value_a - value_d) <= abs(value_b - value_c))
        rising = full & ~falling
        pieces = (
            (falling, (a, c, d)), (falling, (a, d, b)), (rising, (a, c, b)), (rising, (b, c, d)),
            (has_a & has_b & has_c & ~has_d, (a, c, b)), (has_a & has_b & has_d & ~has_c, (b, a, d)),
            (has_a & has_c & has_d & ~has_b, (c, d, a)), (has_b & has_c & has_d & ~has_a, (d, b, c)),
        )  # fmt: skip
        return np.concatenate([np.stack([corner[chosen] for corner in corners], -1) for chosen, corners in pieces])

    def rim(self) -> np.ndarray:
        """(E, 2) int32 edges that one triangle has alone, from pixel to pixel, the triangle on their left."""
        index = np.pad(self.index, 1, constant_values=-1)
        there = index >= 0
        edges = []
        for turned in (False, True):
            # Rows of horizontal edges; the same on the transposed picture, where left is right.
            now, mask = (index.T, there.T) if turned else (index, there)
            left, right = now[1:-1, :-1], now[1:-1, 1:]
            both = mask[1:-1, :-1] & mask[1:-1, 1:]
            above = both & (mask[:-2, :-1] | mask[:-2, 1:])
            below = both & (mask[2:, :-1] | mask[2:, 1:])
            for chosen, (start, end) in ((above & ~below, (left, right)), (below & ~above, (right, left))):
                edge = np.stack([start[chosen], end[chosen]], -1)
                edges.append(edge[:, ::-1] if turned else edge)
        (a, b, c, d), (has_a, has_b, has_c, has_d) = _blocks(index), _blocks(there)
        diagonals = (
            (has_a & has_b & has_c & ~has_d, (c, b)), (has_a & has_b & has_d & ~has_c, (a, d)),
            (has_a & has_c & has_d & ~has_b, (d, a)), (has_b & has_c & has_d & ~has_a, (b, c)),
        )  # fmt: skip
        edges += [np.stack([start[chosen], end[chosen]], -1) for chosen, (start, end) in diagonals]
        return np.concatenate(edges)


def _blocks(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Corners of all 2x2 blocks: top left, top right, bottom left, bottom right, each (h - 1, w - 1)."""
    return picture[:-1, :-1], picture[:-1, 1:], picture[1:, :-1], picture[1:, 1:]
