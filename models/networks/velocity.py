r"""The network of a flow that was matched: the velocity v(x, t) at a place x and a time t in [0, 1].

A backbone of `models.networks` that is told the time by waves, and the condition where there is one. It starts as 0.

References:
    | Flow Matching for Generative Modeling (Lipman et al., 2022), https://arxiv.org/abs/2210.02747
    | Attention Is All You Need (Vaswani et al., 2017), https://arxiv.org/abs/1706.03762
"""

from __future__ import annotations

from math import log
from typing import final

import torch
from torch import Tensor, nn

WAVES = 32  # of the embedding of t
SLOWEST, FASTEST = 1.0, 60.0  # radians over the whole way


@final
class Velocity(nn.Module):
    """(B, *shape), times, (B,), and where `n_given` > 0 a condition, (B, n_given), to dx/dt, (B, *shape)."""

    def __init__(self, backbone: nn.Module, *, width: int, n_given: int = 0) -> None:
        super().__init__()
        self.embed = TimeEmbedding(width)
        self.told = nn.Linear(n_given, width, bias=False) if n_given else None  # none: adds nothing, as c = 0 does
        self.backbone = backbone

    def forward(self, x: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        h = self.embed(t)
        if self.told is not None and c is not None:
            h = h + self.told(c)
        v: Tensor = self.backbone(x, h)
        return v


@final
class TimeEmbedding(nn.Module):
    """Times, (B,), as sines and cosines, mixed: (B, width)."""

    frequencies: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.linspace(log(SLOWEST), log(FASTEST), WAVES).exp(), persistent=False)
        self.mix = nn.Sequential(nn.Linear(2 * WAVES, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, t: Tensor) -> Tensor:
        angle = t[:, None] * self.frequencies
        out: Tensor = self.mix(torch.cat([angle.sin(), angle.cos()], dim=1))
        return out
