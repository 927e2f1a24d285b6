r"""The network of flow matching: the velocity v(x, t) at a point x and a time t in [0, 1].

A backbone takes x and a Fourier embedding of the time and of the condition. It is 0 at first. Perceptrons are slow to
learn functions that change over short distances; with Fourier features of x they learn sharp densities.

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

from pushforward.models.networks.embeddings import FourierEmbedding

if TYPE_CHECKING:
    from jaxtyping import Float

MIN_FREQUENCY, MAX_FREQUENCY = 1.0, 60.0  # radians over [0, 1]
N_FREQUENCIES = 16  # of each element


@final
class VelocityNet(nn.Module):
    """Dx/dt of x, (B, *shape), at times t, (B,), given a condition c, (B, condition_size), if there is one."""

    def __init__(
        self, backbone: nn.Module, *, width: int, condition_size: int = 0, place: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.embed = FourierEmbedding(
            width, min_frequency=MIN_FREQUENCY, max_frequency=MAX_FREQUENCY, condition_size=condition_size
        )
        self.place = place
        self.backbone = backbone

    def forward(
        self, x: Float[Tensor, " B *shape"], t: Float[Tensor, " B"], c: Float[Tensor, "B C"] | None = None
    ) -> Float[Tensor, " B *shape"]:
        embedding = self.embed(t, c)
        if self.place is not None:
            embedding = embedding + self.place(x)
        v: Tensor = self.backbone(x, embedding)
        return v


@final
class FourierFeatures(nn.Module):
    """Sines and cosines of each element, of 1 to `max_frequency` radians a unit, mapped to (B, width)."""

    frequencies: Tensor

    def __init__(self, size: int, width: int, *, max_frequency: float) -> None:
        super().__init__()
        self.register_buffer(
            "frequencies", torch.linspace(0.0, log(max_frequency), N_FREQUENCIES).exp(), persistent=False
        )
        self.mix = nn.Linear(2 * N_FREQUENCIES * size, width)

    def forward(self, x: Float[Tensor, " B *shape"]) -> Float[Tensor, "B W"]:
        angle = (x.flatten(1)[:, :, None] * self.frequencies).flatten(1)
        out: Tensor = self.mix(torch.cat([angle.sin(), angle.cos()], dim=1))
        return out
