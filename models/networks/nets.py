"""A family's networks by name, and how a condition becomes part of their input."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

from pushforward.models.spec.data_spec import DataSpec, Shape

if TYPE_CHECKING:
    from jaxtyping import Float


class Nets(nn.ModuleDict):
    """A family's networks by name, and the kind of data they were built for."""

    def __init__(self, spec: DataSpec, **modules: nn.Module) -> None:
        super().__init__(modules)
        self.spec = spec

    def within_range(self, y: Float[Tensor, " B *shape"]) -> Float[Tensor, " B *shape"]:
        """A generator's output, network units: through a tanh where data are bounded."""
        return y if self.spec.low is None else y.tanh()


@final
class Scalar(nn.Module):
    """Learned numbers, one unless a shape is given."""

    def __init__(self, initial: float, shape: Shape = ()) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.full(shape, float(initial)))

    def forward(self) -> Tensor:
        return self.value


@final
class Buffer(nn.Module):
    """One number that is kept between steps and not learned."""

    value: Tensor

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.register_buffer("value", torch.tensor(float(initial)))

    def forward(self) -> Tensor:
        return self.value.clone()


def concat_condition(x: Float[Tensor, " B *shape"], c: Float[Tensor, "B C"]) -> Float[Tensor, " B *joint"]:
    """Concatenate a condition to data: as planes after channels of images and series, as elements after a vector's."""
    if not c.shape[1]:
        return x
    planes = c.view(*c.shape, *(1 for _ in x.shape[2:])).expand(-1, -1, *x.shape[2:])
    return torch.cat([x, planes], 1)


def condition_args(c: Tensor) -> tuple[Tensor, ...]:
    """The condition as arguments of a network: (c,), or () where C = 0."""
    return (c,) if c.shape[1] else ()
