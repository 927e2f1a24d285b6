"""Sampling element by element: step k draws the k-th element given those before it.

A forward pass gives the parameters of all elements. Each row uses those of the element that it draws now, so rows at
different elements share a call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, final

from pushforward.models import networks
from pushforward.models.lazy import torch
from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import Shape
from pushforward.models.stepwise.program import State
from pushforward.models.stepwise.sampling import Sampler

if TYPE_CHECKING:
    from torch import Tensor


@final
@dataclass(frozen=True)
class AutoregressiveSampler(Sampler):
    """Draws one element a step. State: levels, (B, *shape) int64, 0 where none is drawn yet; the condition."""

    shape: Shape
    params: Callable[[Tensor, Tensor], Tensor]  # levels and c to the parameters of each element, (B, P, *shape)
    draw: Callable[..., Tensor]  # one element's parameters, (B, P), and uniforms, (B,) twice, to its level, (B,)
    data: Callable[[Tensor], Tensor]  # levels to data units

    @property
    def steps(self) -> int:
        return prod(self.shape)

    def init(self, given: tuple[Tensor], noise: Noise) -> State:
        (c,) = given
        return torch.zeros(len(noise), *self.shape, dtype=torch.long, device=noise.device), c

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        level, c = state
        position = self._positions[k].to(level.device)[:, None]  # (B, 1), in the data's layout
        params = self.params(level, c).flatten(2)
        here = params.gather(2, position[:, None].expand(-1, params.shape[1], -1)).squeeze(2)
        drawn = self.draw(here, *noise.uniform(k + 1, (2,)).to(here).unbind(1))
        return level.flatten(1).scatter(1, position, drawn[:, None]).view_as(level), c

    def finish(self, state: State, noise: Noise) -> Tensor:
        return self.data(state[0])

    @cached_property
    def _positions(self) -> Tensor:
        """The index of the k-th element in the data's layout, (D,)."""
        return networks.ranks(self.shape).flatten().argsort()
