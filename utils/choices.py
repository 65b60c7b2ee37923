"""What a user chooses by name: known before PyTorch is imported, so that command lines answer at once."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

SHIPPED_CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "small.pt"
"""The model that comes with this project."""
Precision = Literal["fp32", "tf32", "bf16", "fp16"]
"""What convolutions read (utils.device)."""
Agreement = Literal["off", "coarse", "refined"]
"""Which depth is made to agree with the fused normals (models.final_depth)."""
MeshProtocol = Literal["strict", "icon", "sith"]
"""Ways of measuring a mesh against a scan (evaluation.protocols)."""
Frame = Literal["auto", "photo"]
"""What the canvas shows: a square around a person who is small in the photo, or always the whole photo, as the
official code does."""
