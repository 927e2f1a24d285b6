r"""A perceptron masked so that the parameters of each element see the elements before it and no others.

Element d of D has degree d, hidden unit k a degree m_k in {0, ..., D - 1}. A unit sees elements and units of up to its
own degree, the parameters of element d what has a lower degree than d:

    unit k:  m_k >= d, m_k >= m_k'        parameters of d:  d > m_k

A condition has degree 0 and is an input of every layer. Degrees are spaced evenly, not drawn, so that the masks are a
function of the architecture. Vectors keep their order; images go by row, column and channel. Initial weights are He's,
for the inputs that a unit sees.

References:
    | MADE: Masked Autoencoder for Distribution Estimation (Germain et al., 2015), https://arxiv.org/abs/1502.03509
    | Delving Deep into Rectifiers (He et al., 2015), https://arxiv.org/abs/1502.01852
"""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pushforward.models.spec.data_spec import Shape

if TYPE_CHECKING:
    from jaxtyping import Float, Int


def ranks(shape: Shape) -> Int[Tensor, "*shape"]:
    """The rank of each element in the autoregressive order, 0 to D - 1: images by row, column and channel."""
    place = torch.arange(prod(shape))
    if len(shape) != 3:
        return place.view(shape)
    return place.view(*shape[1:], shape[0]).movedim(2, 0)


@final
class MADE(nn.Module):
    """P parameters of each element of x, (B, P, *shape), given a condition, (B, condition_size), if there is one."""

    def __init__(self, shape: Shape, n_params: int, *, width: int, depth: int, condition_size: int = 0) -> None:
        super().__init__()
        self.shape, self.n_params = shape, n_params
        element = ranks(shape).flatten() + 1  # d, in the data's layout
        hidden = torch.arange(width) * len(element) // width  # m_k
        condition = torch.zeros(condition_size, dtype=torch.long)
        degrees = [element, *[hidden] * depth]
        self.hidden = nn.ModuleList(
            MaskedLinear(above[:, None] >= torch.cat([below, condition])) for below, above in pairwise(degrees)
        )
        self.out = MaskedLinear((element[:, None] > torch.cat([hidden, condition])).repeat(n_params, 1))

    def forward(
        self, u: Float[Tensor, " B *shape"], c: Float[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "B P *shape"]:
        h, condition = u.flatten(1), [] if c is None else [c]
        for layer in self.hidden:
            h = F.relu(layer(torch.cat([h, *condition], 1)))
        out: Tensor = self.out(torch.cat([h, *condition], 1))
        return out.view(-1, self.n_params, *self.shape)


@final
class MaskedLinear(nn.Linear):
    """A linear layer whose weights are 0 where the mask, (out, in) bool, is False."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.float(), persistent=False)
        with torch.no_grad():
            self.weight.normal_().mul_((2 / mask.sum(1, keepdim=True).clamp(min=1)).sqrt())
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.mask, self.bias)
