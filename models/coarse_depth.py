"""Coarse depth by an Attention U-Net with two encoders (D-AU-Net): small photo, its normals (METHOD.md 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from models.attention_unet import NORMAL_CHANNELS
from models.blocks import Encoder, GatedUp, Head, initialise

DEPTH_CHANNELS = 3
"""Front depth, back depth, mask logit."""
DEPTH_START = (5.0, 0.5, -2.0)
"""A fresh network starts near what most pixels are, the background (6 in front, 0 behind, mask 0), inside ReLU6."""


class DualEncoderUNet(nn.Module):
    """Two encoders, one decoder whose gates see the skips of both.

    image (B, 3, H, W), normals (B, 6, H, W) -> (B, 3, H, W): front depth, back depth, mask logit, all unbounded;
    H and W divisible by 2 ** (len(widths) - 1).
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.image_encoder = Encoder(3, widths)
        self.normal_encoder = Encoder(NORMAL_CHANNELS, widths)
        joined = [2 * width for width in reversed(widths)]
        self.decoder = nn.ModuleList(GatedUp(*channels) for channels in pairwise(joined))
        self.head = Head(joined[-1], DEPTH_CHANNELS)
        initialise(self)
        self.head.start_at(DEPTH_START)

    def forward(self, image: Tensor, normals: Tensor) -> Tensor:
        pairs = zip(self.image_encoder(image), self.normal_encoder(normals), strict=True)
        *skips, x = [torch.cat(pair, dim=1) for pair in pairs]
        for step in self.decoder:
            x = step(x, skip=skips.pop())
        return self.head(x)
