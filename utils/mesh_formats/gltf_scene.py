"""Where a glTF scene puts its meshes: nodes, skins and morph targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.mesh_formats.gltf_file import GltfFile, numbers


@dataclass(frozen=True)
class PlacedMesh:
    """A mesh that a node of the scene shows."""

    mesh: dict[str, Any]
    weights: list[Any]  # of its morph targets
    scene_from_mesh: np.ndarray  # (4, 4)
    scene_from_joint: np.ndarray | None  # (J, 4, 4) from the mesh as each joint carries it; None without a skin


def _local(node: dict[str, Any]) -> np.ndarray:
    """(4, 4) parent from node."""
    if "matrix" in node:
        return numbers(node["matrix"], 16).reshape(4, 4).T
    x, y, z, w = numbers(node.get("rotation", (0, 0, 0, 1)), 4)
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * numbers(node.get("scale", (1, 1, 1)), 3)
    matrix[:3, 3] = numbers(node.get("translation", (0, 0, 0)), 3)
    return matrix


class _Nodes:
    """The tree of all nodes.

    Raises:
        ValueError: a node has two parents, or is its own ancestor.
    """

    def __init__(self, file: GltfFile) -> None:
        self.file = file
        self.count = len(file.json.get("nodes", []))
        self.parent: dict[int, int] = {}
        for index in range(self.count):
            for child in self.children(index):
                if child in self.parent:
                    raise ValueError(f"node {child} has two parents, {self.parent[child]} and {index}")
                self.parent[child] = index
        self._world: dict[int, np.ndarray] = {}
        roots = [index for index in range(self.count) if index not in self.parent]
        todo = [(root, np.eye(4)) for root in roots]
        while todo:
            index, above = todo.pop()
            self._world[index] = above @ _local(file.item("nodes", index))
            todo += [(child, self._world[index]) for child in self.children(index)]
        lost = next((index for index in range(self.count) if index not in self._world), None)
        if lost is not None:
            raise ValueError(f"node {lost} is its own ancestor")
        self.roots = roots

    def children(self, index: int) -> list[int]:
        children = self.file.item("nodes", index).get("children", [])
        for child in children:
            self.file.item("nodes", child)
        return children

    def world(self, index: object) -> np.ndarray:
        """(4, 4) scene from node."""
        self.file.item("nodes", index)
        assert isinstance(index, int)
        return self._world[index]


def placed_meshes(file: GltfFile) -> list[PlacedMesh]:
    """Every mesh that the default scene shows; without scenes, that any node shows."""
    nodes = _Nodes(file)
    scenes = file.json.get("scenes")
    roots = file.item("scenes", file.json.get("scene", 0)).get("nodes", []) if scenes else nodes.roots
    placed, todo = [], list(reversed(roots))
    while todo:
        index = todo.pop()
        node = file.item("nodes", index)
        todo += reversed(nodes.children(index))
        if "mesh" not in node:
            continue
        mesh = file.item("meshes", node["mesh"])
        joints = _joints(file, nodes, node["skin"]) if "skin" in node else None
        placed.append(PlacedMesh(mesh, node.get("weights", mesh.get("weights", [])), nodes.world(index), joints))
    return placed


def _joints(file: GltfFile, nodes: _Nodes, index: object) -> np.ndarray:
    """(J, 4, 4) scene from mesh, as each joint carries it."""
    skin = file.item("skins", index)
    worlds = [nodes.world(joint) for joint in skin["joints"]]
    if not worlds:
        raise ValueError(f"skins {index} without joints")
    if "inverseBindMatrices" not in skin:
        return np.stack(worlds)
    inverse = file.accessor(skin["inverseBindMatrices"]).astype(np.float64)
    if inverse.shape[1] != 16 or len(inverse) < len(worlds):
        raise ValueError(f"{len(inverse)} inverse bind matrices for {len(worlds)} joints")
    return np.stack(worlds) @ inverse[: len(worlds)].reshape(-1, 4, 4).transpose(0, 2, 1)


def placed_vertices(file: GltfFile, placed: PlacedMesh, primitive: dict[str, Any]) -> tuple[np.ndarray, bool]:
    """(V, 3) float64 in the scene, and whether the place mirrors the mesh."""
    attributes = primitive["attributes"]
    vertices = file.accessor(attributes["POSITION"]).astype(np.float64)
    if vertices.shape[1] != 3:
        raise ValueError(f"positions of {vertices.shape[1]} numbers, expected 3")
    for target, weight in zip(primitive.get("targets", []), placed.weights, strict=False):
        if float(weight) and "POSITION" in target:
            vertices = vertices + float(weight) * file.accessor(target["POSITION"])
    if placed.scene_from_joint is None:
        matrix = placed.scene_from_mesh
        return vertices @ matrix[:3, :3].T + matrix[:3, 3], bool(np.linalg.det(matrix[:3, :3]) < 0)
    # The node's own place does not count for a skin.
    total, result = np.zeros((len(vertices), 1)), np.zeros_like(vertices)
    number = 0
    while f"JOINTS_{number}" in attributes:
        joints = file.accessor(attributes[f"JOINTS_{number}"])
        weights = file.accessor(attributes[f"WEIGHTS_{number}"]).astype(np.float64)
        if joints.dtype.kind != "u" or (joints >= len(placed.scene_from_joint)).any():
            raise ValueError(f"a vertex names joint {joints.max()}, expected 0 to {len(placed.scene_from_joint) - 1}")
        for joint, weight in zip(joints.T, weights.T, strict=True):
            for one in np.unique(joint[weight != 0]):
                here = (joint == one) & (weight != 0)
                matrix = placed.scene_from_joint[one]
                result[here] += weight[here, None] * (vertices[here] @ matrix[:3, :3].T + matrix[:3, 3])
                total[here] += weight[here, None]
        number += 1
    if not number or not (total > 0).all():
        raise ValueError("a vertex of a skin without joints")
    return result / total, bool(np.linalg.det(placed.scene_from_joint[0, :3, :3]) < 0)
