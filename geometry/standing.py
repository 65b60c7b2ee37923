"""A person of a known height, in metres, on the ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geometry.camera import Camera


@dataclass(frozen=True)
class Standing:
    """Where a person stands in the camera's frame [world units]."""

    ground: tuple[float, float, float]  # under the middle of the body, as low as its lowest point
    head_top: float  # Y of the top of the head; a hand may be higher

    @classmethod
    def of(cls, vertices: np.ndarray, size: int, head: tuple[float, float]) -> Standing:
        """Find it on a surface.

        Args:
            vertices: (V, 3) in the camera's frame.
            size: of the canvas [px].
            head: left and right end of the head on the canvas [px].
        """
        column = Camera(size).project(vertices)[:, 0]
        over_head = vertices[(column >= head[0]) & (column <= head[1])]
        top = float((over_head if len(over_head) else vertices)[:, 1].max())
        x, _, z = (float(value) for value in np.median(vertices, axis=0))
        return cls((x, float(vertices[:, 1].min()), z), top)

    def in_metres(self, vertices: np.ndarray, height: float) -> np.ndarray:
        """Vertices (V, 3) with the ground point at the origin and the head's top at `height` [m]; axes as before."""
        return (vertices - self.ground) * (height / (self.head_top - self.ground[1]))
