"""A rectangle of whole pixels on a square grid, and how it moves between scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MARGINS_ON_CANVAS = 32
"""The refiner sees 1 / 32 of the canvas more on every side of a person: room for what a mask has missed."""


@dataclass(frozen=True)
class Window:
    """Rows [top, bottom) and columns [left, right) of a pixel grid [px]; empty when it has no rows or no columns."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def full(cls, height: int, width: int | None = None) -> Window:
        """The whole grid; a square one without a width."""
        return cls(0, height, 0, height if width is None else width)

    @property
    def height(self) -> int:
        """Number of rows [px]."""
        return max(self.bottom - self.top, 0)

    @property
    def width(self) -> int:
        """Number of columns [px]."""
        return max(self.right - self.left, 0)

    @property
    def is_empty(self) -> bool:
        """Whether it has no pixel."""
        return self.height == 0 or self.width == 0

    @property
    def slices(self) -> tuple[slice, slice]:
        """(rows, columns) to index the last two axes of an array on the same grid."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def clipped(self, height: int, width: int | None = None) -> Window:
        """The part inside a grid; a square one without a width."""
        width = height if width is None else width
        rows = (min(max(edge, 0), height) for edge in (self.top, self.bottom))
        columns = (min(max(edge, 0), width) for edge in (self.left, self.right))
        return Window(*rows, *columns)

    def grown(self, margin: int, height: int, width: int | None = None) -> Window:
        """Every side moved outwards by margin [px], clipped to a grid; a square one without a width."""
        grown = Window(self.top - margin, self.bottom + margin, self.left - margin, self.right + margin)
        return grown.clipped(height, width)

    def joined(self, other: Window) -> Window:
        """The smallest window around both."""
        return Window(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )

    def aligned(self, step: int) -> Window:
        """The smallest window around this one whose sides are multiples of step [px]."""
        top, left = (edge // step * step for edge in (self.top, self.left))
        bottom, right = (-(-edge // step) * step for edge in (self.bottom, self.right))
        return Window(top, bottom, left, right)

    def divided(self, step: int) -> Window:
        """An aligned window on the grid that has one pixel for every step x step of this one's."""
        return Window(self.top // step, self.bottom // step, self.left // step, self.right // step)

    def halved(self) -> Window:
        """The pixels of the half-size grid that lie under this window, rounded outwards."""
        return Window(self.top // 2, -(-self.bottom // 2), self.left // 2, -(-self.right // 2))

    def relative_to(self, outer: Window) -> Window:
        """This window in the coordinates of an array that holds only `outer`."""
        return Window(self.top - outer.top, self.bottom - outer.top, self.left - outer.left, self.right - outer.left)

    def placed_in(self, outer: Window) -> Window:
        """A window of an array that holds only `outer`, in the coordinates that `outer` has: undoes `relative_to`."""
        return Window(self.top + outer.top, self.bottom + outer.top, self.left + outer.left, self.right + outer.left)


def box_of(present: np.ndarray) -> Window:
    """The smallest window around all pixels that are there; empty when none is.

    Args:
        present: (H, W) bool.
    """
    return box_of_lines(np.any(present, axis=1), np.any(present, axis=0))


def box_of_lines(rows: np.ndarray, columns: np.ndarray) -> Window:
    """The same from what is known of each line: (H,) and (W,) bool, whether a row, a column has such a pixel."""
    down, across = np.flatnonzero(rows), np.flatnonzero(columns)
    if len(down) == 0:
        return Window(0, 0, 0, 0)
    return Window(int(down[0]), int(down[-1]) + 1, int(across[0]), int(across[-1]) + 1)


def person_window(present: np.ndarray) -> Window:
    """Where the refiner works: the box around a person, or several, with 1 / 32 of the canvas around it.

    Args:
        present: (R, R) bool.

    Returns:
        The window; the whole grid when no pixel is.
    """
    size, box = len(present), box_of(present)
    return Window.full(size) if box.is_empty else box.grown(size // MARGINS_ON_CANVAS, size)
