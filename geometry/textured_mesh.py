"""A mesh with a picture on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from geometry.mesh import Mesh


@dataclass(frozen=True)
class TexturedMesh:
    """Triangles whose corners have places on a picture; on a seam of the picture a vertex is there twice."""

    mesh: Mesh
    normals: np.ndarray  # (V, 3) unit, outwards; the same for both copies of a vertex
    uv: np.ndarray  # (V, 2) float32: (0, 0) is the picture's top left corner, (1, 1) the bottom right one, as in glTF
    picture: np.ndarray  # (h, w, 3) uint8 RGB

    def moved(self, vertices: np.ndarray) -> TexturedMesh:
        """The same surface with its vertices (V, 3) shifted or scaled alike in all directions."""
        return replace(self, mesh=self.mesh.moved(vertices))
