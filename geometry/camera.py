"""The paper's pinhole camera, 50 deg of view. Only home of its intrinsics (METHOD.md 2.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from geometry.window import Window

FIELD_OF_VIEW_DEG = 50.0
HALF_TANGENT = math.tan(math.radians(FIELD_OF_VIEW_DEG / 2))
"""Half the width of the image plane at distance 1; also half the depth range that a file can hold."""
CENTRE = np.array([0.0, 0.0, 1.0])
"""Where the camera stands in the world: X right, Y up, looking along -Z at the origin."""


@dataclass(frozen=True)
class Camera:
    """Square image of `size` x `size` px, field of view 50 deg, at (0, 0, 1), looking along -Z.

    The world is X right, Y up, Z towards the viewer. Image coordinates are continuous: u right, v down, (0, 0) is the
    top-left corner of the image, so the centre of pixel (row i, column j) is (u, v) = (j + 0.5, i + 0.5).
    """

    size: int

    @property
    def focal(self) -> float:
        """Focal length [px]: size / (2 tan 25 deg), 2195.975 at 2048."""
        return self.size / (2 * HALF_TANGENT)

    def rays(self, window: Window | None = None) -> np.ndarray:
        """Unit viewing directions through the pixel centres.

        Args:
            window: pixels of interest; the whole image when None.

        Returns:
            (window height, window width, 3) float64, world frame.
        """
        window = window or Window.full(self.size)
        rows, columns = np.arange(window.top, window.bottom), np.arange(window.left, window.right)
        return self.rays_at(rows[:, None], columns)

    def rays_at(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Unit viewing directions through the centres of chosen pixels.

        Args:
            rows, columns: integer pixel indices of shapes that broadcast to one (...).

        Returns:
            (..., 3) float64, world frame.
        """
        directions = np.empty((*np.broadcast_shapes(rows.shape, columns.shape), 3))
        directions[..., 0] = (2 * (columns + 0.5) / self.size - 1) * HALF_TANGENT
        directions[..., 1] = (1 - 2 * (rows + 0.5) / self.size) * HALF_TANGENT
        directions[..., 2] = -1.0
        return directions / np.linalg.norm(directions, axis=-1, keepdims=True)

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points to image coordinates.

        Args:
            points: (..., 3), world frame, in front of the camera (Z < 1).

        Returns:
            (..., 2) float64 (u, v) [px], continuous; floor gives the pixel's column and row.
        """
        points = np.asarray(points, dtype=np.float64)
        scale = self.focal / (1 - points[..., 2])
        return np.stack([points[..., 0] * scale, -points[..., 1] * scale], axis=-1) + self.size / 2
