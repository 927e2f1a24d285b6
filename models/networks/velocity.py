r"""The network of a flow that was matched: the velocity v(x, t) at a place x and a time t in [0, 1].

A backbone of `models.networks` that is told the time by waves, and the condition where there is one. It starts as 0.

References:
    | Flow Matching for Generative Modeling (Lipman et al., 2022), https://arxiv.org/abs/2210.02747
"""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from models.networks.waves import WaveEmbedding

SLOWEST, FASTEST = 1.0, 60.0  # radians over the whole way


@final
class VelocityNet(nn.Module):
    """(B, *shape), times, (B,), and where `n_given` > 0 a condition, (B, n_given), to dx/dt, (B, *shape)."""

    def __init__(self, backbone: nn.Module, *, width: int, n_given: int = 0) -> None:
        super().__init__()
        self.embed = WaveEmbedding(width, slowest=SLOWEST, fastest=FASTEST, n_given=n_given)
        self.backbone = backbone

    def forward(self, x: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        v: Tensor = self.backbone(x, self.embed(t, c))
        return v
