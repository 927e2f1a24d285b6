r"""The velocity of a continuous flow: a perceptron whose every layer takes the time and a condition.

    y = (W x + b) . sigmoid(W_g a + b_g) + W_b a,      a = (t, c)

with tanh between layers, since solvers need a smooth field. The last layer is zero at first: no motion.

References:
    | FFJORD (Grathwohl et al., 2018), https://arxiv.org/abs/1810.01367: its layer `concatsquash`
"""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

from pushforward.models.networks.denoiser import zero_init
from pushforward.models.spec.data_spec import Shape

if TYPE_CHECKING:
    from jaxtyping import Float


@final
class ConcatSquash(nn.Module):
    """Dx/dt of x, (B, *shape), at times t, (B,), given a condition c, (B, condition_size), if there is one."""

    def __init__(self, shape: Shape, *, width: int, depth: int, condition_size: int = 0) -> None:
        super().__init__()
        self.shape = shape
        sizes = [prod(shape), *[width] * depth, prod(shape)]
        layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        modulations = [nn.Linear(1 + condition_size, 2 * b) for b in sizes[1:]]
        zero_init(layers[-1])
        zero_init(modulations[-1])
        self.layers, self.told = nn.ModuleList(layers), nn.ModuleList(modulations)

    def forward(
        self, x: Float[Tensor, " B *shape"], t: Float[Tensor, " B"], c: Float[Tensor, "B C"] | None = None
    ) -> Float[Tensor, " B *shape"]:
        a = t[:, None] if c is None else torch.cat([t[:, None], c], 1)
        h = x.flatten(1)
        for i, (layer, modulation) in enumerate(zip(self.layers, self.told, strict=True)):
            gate, shift = modulation(a).chunk(2, 1)
            h = layer(h.tanh() if i else h) * gate.sigmoid() + shift
        return h.view(-1, *self.shape)
