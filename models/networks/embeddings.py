"""What a network is told beside its rows: a number, as waves of many periods, and a condition.

References:
    | Attention Is All You Need (Vaswani et al., 2017), https://arxiv.org/abs/1706.03762
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from jaxtyping import Float

WAVES = 32


@final
class WaveEmbedding(nn.Module):
    """Times or noise levels, (B,), and conditions, (B, n_given) where n_given > 0, to (B, width).

    The frequencies of its sines and cosines go from slowest to fastest, in radians.
    """

    frequencies: Tensor

    def __init__(self, width: int, *, slowest: float, fastest: float, n_given: int = 0) -> None:
        super().__init__()
        self.told = nn.Linear(n_given, width, bias=False) if n_given else None  # none: adds nothing, as c = 0 does
        self.register_buffer("frequencies", torch.linspace(log(slowest), log(fastest), WAVES).exp(), persistent=False)
        self.mix = nn.Sequential(nn.Linear(2 * WAVES, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, number: Float[Tensor, " B"], c: Float[Tensor, "B C"] | None = None) -> Float[Tensor, "B W"]:
        angle = number[:, None] * self.frequencies
        h: Tensor = self.mix(torch.cat([angle.sin(), angle.cos()], dim=1))
        return h if self.told is None or c is None else h + self.told(c)
