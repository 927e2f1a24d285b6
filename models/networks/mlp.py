"""The multilayer perceptron, for vectors."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, final

from torch import Tensor, nn

from pushforward.models.spec.data_spec import Shape

if TYPE_CHECKING:
    from jaxtyping import Float


@final
class MLP(nn.Module):
    """`depth` hidden layers of `width` units, affine at depth 0; (B, *shape_in) to (B, *shape_out)."""

    def __init__(
        self,
        shape_in: Shape,
        shape_out: Shape,
        *,
        width: int,
        depth: int,
        activation: Callable[[], nn.Module] = nn.SiLU,
    ) -> None:
        super().__init__()
        self.shape_out = shape_out
        sizes = [prod(shape_in), *[width] * depth]
        hidden = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), activation())]
        self.layers = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(sizes[-1], prod(shape_out)))

    def forward(self, x: Float[Tensor, " B *shape"]) -> Float[Tensor, " B *shape_out"]:
        out: Tensor = self.layers(x)
        return out.view(-1, *self.shape_out)
