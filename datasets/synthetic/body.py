"""The naked body: shape from age and build, pose by linear blend skinning, 31 joints. Anny distilled, in numpy.

Frame of everything in this package: Y up, the person faces +Z, left is +X, metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import scipy.sparse as sp

ASSET_PATH = Path(__file__).parent / "assets" / "anny_body.npz"

VARIATIONS = {
    "race": ("african", "asian", "caucasian"),
    "gender": ("male", "female"),
    "age": ("newborn", "baby", "child", "young", "old"),
    "muscle": ("min", "average", "max"),
    "weight": ("min", "average", "max"),
    "height": ("min", "max"),
    "proportions": ("ideal", "uncommon"),
    "cupsize": ("min", "average", "max"),
    "firmness": ("min", "average", "max"),
}
"""The corners of MakeHuman's phenotype space, in the order of the asset's masks. Gender 0 is male."""
FIRST_AGE_ANCHOR = -1 / 3


@dataclass(frozen=True)
class Figure:
    """Who a person is, before clothes and pose."""

    years: float
    phenotypes: dict[str, float]  # Anny's, each in [0, 1]
    changes: dict[str, float]  # expression or signed local change -> strength >= 0


@dataclass(frozen=True)
class RestBody:
    """A body in the A-pose of the template."""

    vertices: np.ndarray  # (V, 3)
    heads: np.ndarray  # (J, 3) where each bone starts


@dataclass(frozen=True)
class PosedBody:
    """The same body after its bones have turned."""

    vertices: np.ndarray  # (V, 3)
    skinning: np.ndarray  # (V, 3, 4) the affine map that took each vertex from rest to pose
    rotations: np.ndarray  # (J, 3, 3) world rotation of each bone against its rest
    heads: np.ndarray  # (J, 3)
    joints: np.ndarray  # (31, 3) in the order of geometry.keypoints.JOINTS


def _interpolation(value: float, anchors: np.ndarray) -> np.ndarray:
    """(A,) weights of linear interpolation between sorted anchors; clamped at the ends."""
    return np.array([np.interp(value, anchors, row) for row in np.eye(len(anchors))])


class BodyModel:
    """Anny's template, blendshapes, rig and keypoint regressors; benchmarks/build_body_asset.py kept it."""

    def __init__(self, asset: dict[str, np.ndarray]) -> None:
        self.template = asset["template"].astype(np.float64)
        self.basis = np.concatenate([asset["basis_full"], asset["basis_half"].astype(np.float32)])
        vertices = len(self.template)
        self.small_names = {str(name): row for row, name in enumerate(asset["small_names"])}
        self.small = sp.csr_matrix(
            (asset["small_value"].astype(np.float64), asset["small_column"], asset["small_pointer"]),
            shape=(len(self.small_names), 3 * vertices),
        )
        self.bones = {str(name): index for index, name in enumerate(asset["bone_names"])}
        self.parents = asset["bone_parents"].astype(int)
        self.heads = asset["bone_heads"].astype(np.float64)
        self.heads_basis = np.concatenate([asset["bone_heads_basis"], asset["bone_heads_small"]]).astype(np.float64)
        slots = asset["skin_bones"].shape[1]
        weights = sp.csr_matrix(
            (
                asset["skin_weights"].astype(np.float64).ravel(),
                (np.repeat(np.arange(vertices), slots), asset["skin_bones"].astype(int).ravel()),
            ),
            shape=(vertices, len(self.bones)),
        )
        self.weights = sp.diags(1 / np.asarray(weights.sum(1)).ravel()) @ weights
        self.phenotypes = [str(name) for name in asset["phenotypes"]]
        self.masks, self.projection = asset["phenotype_masks"], asset["phenotype_projection"].astype(np.float64)
        self.regressor = sp.csr_matrix(
            (asset["keypoints_value"].astype(np.float64), asset["keypoints_column"], asset["keypoints_pointer"]),
            shape=(len(asset["keypoints_pointer"]) - 1, vertices),
        )
        self.faces = {k.removeprefix("faces_"): v.astype(np.int64) for k, v in asset.items() if k.startswith("faces_")}
        self.calibration = {k.removeprefix("calibration_"): v for k, v in asset.items() if k.startswith("calibration_")}

    @cached_property
    def finger_bones(self) -> list[int]:
        """The bones that start at the PIP joints, in the order of the last 8 joints."""
        return [self.bones[f"finger{k}-2.{side}"] for side in "LR" for k in (2, 3, 4, 5)]

    def bone_weight(self, *prefixes: str, side: str = "") -> np.ndarray:
        """(V,) skinning weight of the bones whose name starts with a prefix (and ends with `.side`)."""
        chosen = [i for name, i in self.bones.items() if name.startswith(prefixes) and name.endswith(side)]
        return np.asarray(self.weights[:, chosen].sum(1)).ravel()

    def shape_coefficients(self, phenotypes: dict[str, float]) -> np.ndarray:
        """(R,) coefficients of the basis; a phenotype that is not given is 0.5.

        Each corner of the phenotype space weighs the product of its interpolation weights (Anny's formula).
        """
        corner_weights = []
        for name, corners in VARIATIONS.items():
            if name == "race":
                races = np.array([phenotypes.get(race, 0.5) for race in corners])
                corner_weights.append(races / races.sum())
            else:
                first = FIRST_AGE_ANCHOR if name == "age" else 0.0
                corner_weights.append(_interpolation(phenotypes.get(name, 0.5), np.linspace(first, 1.0, len(corners))))
        return np.where(self.masks, np.concatenate(corner_weights), 1.0).prod(1) @ self.projection

    def rest(self, figure: Figure) -> RestBody:
        """The figure in the A-pose."""
        coefficients = self.shape_coefficients(figure.phenotypes)
        small = np.zeros(len(self.small_names))
        for name, strength in figure.changes.items():
            small[self.small_names[name]] = strength
        vertices = self.template + np.tensordot(coefficients.astype(np.float32), self.basis, 1)
        vertices = vertices + (self.small.T @ small).reshape(-1, 3)
        heads = self.heads + np.tensordot(np.concatenate([coefficients, small]), self.heads_basis, 1)
        return RestBody(vertices, heads)

    def pose(self, rest: RestBody, turns: dict[str, np.ndarray]) -> PosedBody:
        """Turn bones.

        Args:
            turns: bone -> (3, 3) rotation about its start, in world axes of the A-pose, before its parents turn.
        """
        rotations, heads = np.empty((len(self.parents), 3, 3)), np.empty((len(self.parents), 3))
        names = list(self.bones)
        for bone, parent in enumerate(self.parents):
            turn = turns.get(names[bone], np.eye(3))
            if parent < 0:
                rotations[bone], heads[bone] = turn, rest.heads[bone]
            else:
                rotations[bone] = rotations[parent] @ turn
                heads[bone] = heads[parent] + rotations[parent] @ (rest.heads[bone] - rest.heads[parent])
        transforms = np.concatenate(
            [rotations, (heads - np.einsum("jab,jb->ja", rotations, rest.heads))[:, :, None]], axis=2
        )
        blended = (self.weights @ transforms.reshape(len(self.parents), 12)).reshape(-1, 3, 4)
        vertices = np.einsum("vab,vb->va", blended[:, :, :3], rest.vertices) + blended[:, :, 3]
        joints = np.concatenate([self.regressor @ vertices, heads[self.finger_bones]])
        return PosedBody(vertices, blended, rotations, heads, joints)


@lru_cache(maxsize=1)
def load_body_model() -> BodyModel:
    """The model of ASSET_PATH, read once per process."""
    with np.load(ASSET_PATH) as asset:
        return BodyModel({name: asset[name] for name in asset.files})


YOUNGEST, OLDEST = 8.0, 80.0


def sample_figure(model: BodyModel, rng: np.random.Generator) -> Figure:
    """A random person: WHO-calibrated height and weight for the age, any face, some expression."""
    years = rng.uniform(YOUNGEST, 17.0) if rng.random() < 0.18 else rng.uniform(17.0, OLDEST)
    table = model.calibration
    age = float(np.interp(years, table["age_years"], table["age_anny"]))
    female = bool(rng.random() < 0.5)
    gender = float(np.clip(rng.beta(1.2, 8.0), 0, 0.4))
    phenotypes = {"age": age, "gender": 1 - gender if female else gender}
    for name in ("height", "weight", "muscle", "proportions"):
        ages, alpha, beta = table[f"{'girls' if female else 'boys'}_{name}"]
        phenotypes[name] = float(rng.beta(np.interp(age, ages, alpha), np.interp(age, ages, beta)))
    phenotypes["weight"] = float(np.clip(phenotypes["weight"], 0.2, 0.95))
    phenotypes["cupsize"] = float(rng.beta(2.5, 2.5))
    phenotypes["firmness"] = float(rng.uniform(0.3, 0.9))
    races = rng.dirichlet((0.45, 0.45, 0.45))
    phenotypes.update(zip(VARIATIONS["race"], (races + 0.02).tolist(), strict=True))
    return Figure(years, phenotypes, _sample_changes(model, rng, years))


BODY_CHANGES = ("stomach", "torso", "hip", "buttocks", "measure", "upperleg", "lowerleg", "hand", "neck")


def _sample_changes(model: BodyModel, rng: np.random.Generator, years: float) -> dict[str, float]:
    """Local changes of face and body, and an expression."""
    changes = {}
    for name in model.small_names:
        if not name.endswith("+"):
            continue
        spread = 0.22 if name.startswith(BODY_CHANGES) else 0.3
        if name.startswith(("ear", "nose-volume", "mouth-trans-forward", "head")):
            spread = 0.15
        strength = float(np.clip(rng.normal(0, spread), -0.7, 0.7))
        changes[name if strength > 0 else name[:-1] + "-"] = abs(strength)
    if years < 16:
        changes.pop("stomach-pregnant-incr+", None)
    smile = float(np.clip(rng.normal(0.15, 0.3), 0, 0.7))
    changes["mouthSmileLeft"], changes["mouthSmileRight"] = smile, smile
    for name, most in (("jawOpen", 0.1), ("browInnerUp", 0.5), ("mouthPucker", 0.2), ("cheekPuff", 0.2)):
        if rng.random() < 0.25:
            changes[name] = float(rng.uniform(0, most))
    blink, frown = float(rng.choice([0.0, 0.0, 0.15, 0.3])), float(rng.choice([0.0, 0.0, 0.4]))
    for side in ("Left", "Right"):
        changes[f"eyeBlink{side}"], changes[f"browDown{side}"] = blink, frown
    return changes
