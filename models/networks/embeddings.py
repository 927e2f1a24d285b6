"""Embeddings of a number (a time or a noise level) by sines and cosines, and of a condition.

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

N_FREQUENCIES = 32


@final
class FourierEmbedding(nn.Module):
    """Times or noise levels, (B,), and conditions, (B, condition_size), if there are any, to (B, width).

    The frequencies are geometrically spaced from `min_frequency` to `max_frequency`, in radians.
    """

    frequencies: Tensor

    def __init__(self, width: int, *, min_frequency: float, max_frequency: float, condition_size: int = 0) -> None:
        super().__init__()
        self.told = nn.Linear(condition_size, width, bias=False) if condition_size else None  # no bias: c = 0 adds 0
        self.register_buffer(
            "frequencies", torch.linspace(log(min_frequency), log(max_frequency), N_FREQUENCIES).exp(), persistent=False
        )
        self.mix = nn.Sequential(nn.Linear(2 * N_FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, number: Float[Tensor, " B"], c: Float[Tensor, "B C"] | None = None) -> Float[Tensor, "B W"]:
        angle = number[:, None] * self.frequencies
        h: Tensor = self.mix(torch.cat([angle.sin(), angle.cos()], dim=1))
        return h if self.told is None or c is None else h + self.told(c)
