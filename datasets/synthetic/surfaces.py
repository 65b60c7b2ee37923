"""The surfaces that everything is cut from, refined once per process."""

from __future__ import annotations

from functools import cache

import numpy as np

from datasets.synthetic.body import load_body_model
from datasets.synthetic.mesh_editing import Patch, loop_subdivide


def refined(patch: Patch, rounds: int = 1) -> Patch:
    """Loop-subdivide a patch."""
    for _ in range(rounds):
        patch = patch.then(*loop_subdivide(patch.faces, patch.weights.shape[0]))
    return patch


@cache
def surface(name: str) -> Patch:
    """A named surface (body, eyes, scalp, tights, skirt, hair) as combinations of the model's vertices."""
    model = load_body_model()
    vertices = len(model.template)
    if name == "eyes":
        return refined(Patch.of_faces(np.concatenate([model.faces["l-eye"], model.faces["r-eye"]]), vertices))
    if name == "scalp":
        in_head = model.bone_weight("head", "neck03")
        faces = model.faces["body"]
        height = model.template[faces, 1].min(1)
        top = model.template[np.unique(faces), 1].max()
        return refined(Patch.of_faces(faces[(in_head[faces] > 0.6).all(1) & (height > top - 0.28)], vertices), 2)
    rounds = {"body": 1, "tights": 1, "skirt": 2, "hair": 3}[name]
    return refined(Patch.of_faces(model.faces[name], vertices), rounds)
