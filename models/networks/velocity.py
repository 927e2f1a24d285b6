r"""The network of a flow that was matched: the velocity v(x, t) at a place x and a time t in [0, 1].

A backbone of `models.networks` that is told the time by waves, and the condition where there is one. It starts as 0.
Perceptrons are slow to learn what changes over short distances; told the elements of a vector by waves as well, they
learn sharp densities.

References:
    | Flow Matching for Generative Modeling (Lipman et al., 2022), https://arxiv.org/abs/2210.02747
    | Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains (Tancik et al., 2020),
      https://arxiv.org/abs/2006.10739
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

from pushforward.models.networks.embeddings import WaveEmbedding

if TYPE_CHECKING:
    from jaxtyping import Float

SLOWEST, FASTEST = 1.0, 60.0  # radians over the whole way
PLACE_WAVES = 16  # of each element


@final
class VelocityNet(nn.Module):
    """(B, *shape), times, (B,), and where `n_given` > 0 a condition, (B, n_given), to dx/dt, (B, *shape)."""

    def __init__(self, backbone: nn.Module, *, width: int, n_given: int = 0, place: nn.Module | None = None) -> None:
        super().__init__()
        self.embed = WaveEmbedding(width, slowest=SLOWEST, fastest=FASTEST, n_given=n_given)
        self.place = place
        self.backbone = backbone

    def forward(
        self, x: Float[Tensor, " B *shape"], t: Float[Tensor, " B"], c: Float[Tensor, "B C"] | None = None
    ) -> Float[Tensor, " B *shape"]:
        told = self.embed(t, c)
        if self.place is not None:
            told = told + self.place(x)
        v: Tensor = self.backbone(x, told)
        return v


@final
class PlaceEmbedding(nn.Module):
    """(B, *shape) of D elements to (B, width), by waves of 1 to `fastest` radians a unit along each element."""

    frequencies: Tensor

    def __init__(self, size: int, width: int, *, fastest: float) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.linspace(0.0, log(fastest), PLACE_WAVES).exp(), persistent=False)
        self.mix = nn.Linear(2 * PLACE_WAVES * size, width)

    def forward(self, x: Float[Tensor, " B *shape"]) -> Float[Tensor, "B W"]:
        angle = (x.flatten(1)[:, :, None] * self.frequencies).flatten(1)
        out: Tensor = self.mix(torch.cat([angle.sin(), angle.cos()], dim=1))
        return out
