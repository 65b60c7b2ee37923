"""The five part networks and the twelve crops they see. Only home of the part table (METHOD.md 4)."""

from __future__ import annotations

from dataclasses import dataclass

from geometry.canvas import PAPER_CANVAS


@dataclass(frozen=True)
class PartKind:
    """Body parts that share one normal network, and the crop that network sees."""

    name: str
    crop_hw: tuple[int, int]  # (height, width) [px] of the 2048 px canvas

    def crop_on(self, canvas: int) -> tuple[int, int]:
        """(height, width) [px] of the crop on another canvas: scaled, then rounded up to a multiple of 8."""
        height, width = (-(-side * canvas // PAPER_CANVAS) for side in self.crop_hw)
        return -(-height // 8) * 8, -(-width // 8) * 8


@dataclass(frozen=True)
class Part:
    """One crop. Its pose is the similarity that best sends its joints to their anchors.

    `shortest_limb` is a length limit, in units in which the canvas spans [-1, 1]: where the distance between the two
    joints of `limb` is below it, the anchors shrink in proportion, so that a part is never magnified. A joint is a name
    of geometry.keypoints.JOINTS, or "left_fingers" / "right_fingers": the mean of that hand's finger points.
    """

    name: str
    kind: PartKind
    anchors: dict[str, tuple[float, float]]  # joint -> (x, y) on the part canvas, which spans [-1, 1]
    limb: tuple[str, str] | None = None
    shortest_limb: float = 0.0
    root: str | None = (
        None  # joint where the limb begins: if the photo does not show it, the part is left out; None: never
    )


FACE = PartKind("face", (368, 320))
UPPER = PartKind("upper", (528, 336))
ARM = PartKind("arm", (352, 224))
LEG = PartKind("leg", (272, 256))
SHOE = PartKind("shoe", (176, 128))
KINDS = (FACE, UPPER, ARM, LEG, SHOE)


def _arm(side: str) -> tuple[Part, Part]:
    shoulder, elbow, wrist, fingers = (f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "fingers"))
    upper = Part(
        f"{side}_upper_arm", ARM, {shoulder: (0, -3 / 16), elbow: (0, 1 / 16)}, (shoulder, elbow), 1 / 4, root=shoulder
    )
    fore = Part(
        f"{side}_forearm",
        ARM,
        {elbow: (0, -2 / 9), wrist: (0, 0), fingers: (0, 1 / 18)},
        (elbow, fingers),
        5 / 18,
        root=elbow,
    )
    return upper, fore


def _leg(side: str) -> tuple[Part, Part]:
    hip, knee, ankle = (f"{side}_{joint}" for joint in ("hip", "knee", "ankle"))
    x = -3 / 128 if side == "left" else 3 / 128
    thigh = Part(f"{side}_thigh", LEG, {hip: (x, -5 / 32), knee: (x, 3 / 32)}, (hip, knee), 1 / 4, root=hip)
    shin = Part(f"{side}_shin", LEG, {knee: (x, -9 / 64), ankle: (x, 9 / 64)}, (knee, ankle), 9 / 32, root=knee)
    return thigh, shin


def _foot(side: str) -> Part:
    front, rear = (0.0, 1 / 24), (0.0, -1 / 24)
    anchors = {"big_toe": front, "little_toe": front, "heel": rear, "ankle": rear}
    named = {f"{side}_{joint}": anchor for joint, anchor in anchors.items()}
    return Part(f"{side}_foot", SHOE, named, root=f"{side}_ankle")


PARTS = (
    Part(
        "head",
        FACE,
        {"right_ear": (-1 / 12, 1 / 24), "left_ear": (1 / 12, 1 / 24)},
        ("right_ear", "left_ear"),
        1 / 6,
        root="nose",
    ),
    Part(
        "torso",
        UPPER,
        {
            "right_shoulder": (-1 / 9, -1 / 6),
            "left_shoulder": (1 / 9, -1 / 6),
            "right_hip": (-1 / 12, 1 / 6),
            "left_hip": (1 / 12, 1 / 6),
        },
    ),
    *_arm("left"),
    *_arm("right"),
    *_leg("left"),
    *_leg("right"),
    _foot("left"),
    _foot("right"),
)
"""All parts; a part's position here is its index in every (12, ...) tensor of poses."""


def indices_of(kind: PartKind) -> tuple[int, ...]:
    """Positions in PARTS of the crops that `kind`'s network sees, in batch order."""
    return tuple(index for index, part in enumerate(PARTS) if part.kind is kind)
