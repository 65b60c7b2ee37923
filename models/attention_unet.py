"""The normal networks: Attention U-Nets (AU-Net), one for the whole person, five for the parts (METHOD.md 5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from models.blocks import Encoder, GatedUp, Head, clamp_with_inward_gradient, initialise

NORMAL_CHANNELS = 6
"""Front normal in channels 0-2, back normal in 3-5."""
HEAD_BIAS = 0.5
"""The middle of the stored normals: a ReLU head that starts there cannot start dead (METHOD.md 5.6)."""


class AttentionUNet(nn.Module):
    """U-Net whose skips pass an attention gate.

    (B, in_channels, H, W) -> (B, 6, H, W) stored normals >= 0; H and W divisible by 2 ** (len(widths) - 1).
    """

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.encoder = Encoder(in_channels, widths)
        self.decoder = nn.ModuleList(GatedUp(*channels) for channels in pairwise(reversed(widths)))
        self.head = Head(widths[0], NORMAL_CHANNELS)
        initialise(self)
        self.head.start_at([HEAD_BIAS] * NORMAL_CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        *skips, x = self.encoder(x)
        for step in self.decoder:
            x = step(x, skip=skips.pop())
        return clamp_with_inward_gradient(self.head(x), low=0)
