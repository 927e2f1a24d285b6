r"""A perceptron masked so that the parameters of each element see the elements before it and no others.

Element d of D has degree d, hidden unit k a degree m_k in {0, ..., D - 1}. A unit sees elements and units of up to its
own degree, the parameters of element d what has a lower degree than d:

    unit k:  m_k >= d, m_k >= m_k'        parameters of d:  d > m_k

A condition has degree 0 and is told to every layer. Degrees are spread evenly, not drawn: the masks are a function of
the architecture. Vectors go in their own order, images by row, column and channel. Weights start as He's for the inputs
that a unit sees.

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
    """The place of each element in the order, 0 to D - 1, (*shape): images by row, column and channel."""
    place = torch.arange(prod(shape))
    if len(shape) != 3:
        return place.view(shape)
    return place.view(*shape[1:], shape[0]).movedim(2, 0)


@final
class MADE(nn.Module):
    """(B, *shape), where `n_given` > 0 a condition, (B, n_given), to parameters of each element, (B, P, *shape)."""

    def __init__(self, shape: Shape, n_params: int, *, width: int, depth: int, n_given: int = 0) -> None:
        super().__init__()
        self.shape, self.n_params = shape, n_params
        element = ranks(shape).flatten() + 1  # d, in the data's layout
        hidden = torch.arange(width) * len(element) // width  # m_k
        given = torch.zeros(n_given, dtype=torch.long)
        degrees = [element, *[hidden] * depth]
        self.hidden = nn.ModuleList(
            MaskedLinear(above[:, None] >= torch.cat([below, given])) for below, above in pairwise(degrees)
        )
        self.out = MaskedLinear((element[:, None] > torch.cat([hidden, given])).repeat(n_params, 1))

    def forward(
        self, u: Float[Tensor, " B *shape"], c: Float[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "B P *shape"]:
        h, given = u.flatten(1), [] if c is None else [c]
        for layer in self.hidden:
            h = F.relu(layer(torch.cat([h, *given], 1)))
        out: Tensor = self.out(torch.cat([h, *given], 1))
        return out.view(-1, self.n_params, *self.shape)


@final
class MaskedLinear(nn.Linear):
    """W is zero where the mask is.  mask: (out, in) bool."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.float(), persistent=False)
        with torch.no_grad():
            self.weight.normal_().mul_((2 / mask.sum(1, keepdim=True).clamp(min=1)).sqrt())
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.mask, self.bias)
