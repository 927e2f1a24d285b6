"""Step-wise samplers: programs from noise to data.

A sampler is given the condition c, (B, C), with C = 0 where there is none. The noise of row i at step k is draw k + 1
of that row; draw 0 belongs to the initial state.

Example:
    >>> from pushforward.models.noise import Noise
    >>> from pushforward.models.stepwise.sampling import OneStep, sample
    >>> sampler = OneStep(draw=lambda noise, c: noise.normal(0, (2,)), push=lambda z, noise, c: 3 * z)
    >>> sample(sampler, Noise.rows(0, 4)).shape
    torch.Size([4, 2])
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from pushforward.models.lazy import torch
from pushforward.models.noise import Noise
from pushforward.models.stepwise.program import Program, State, run

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor


class Sampler(Program["tuple[Tensor]", "Tensor"], ABC):
    """Given c, (B, C): data, (B, *shape), data units. An intermediate state can be shown as data."""

    def preview(self, state: State, noise: Noise) -> Float[Tensor, " B *shape"]:
        """The state as data, (B, *shape), data units."""
        return self.finish(state, noise)


@final
@dataclass(frozen=True)
class OneStep(Sampler):
    """Draw a code, decode it: x = push(z, noise, c)."""

    draw: Callable[[Noise, Tensor], Tensor]  # noise and c to z, (B, *latent_shape)
    push: Callable[[Tensor, Noise, Tensor], Tensor]  # z to x, (B, *shape); draws from 1 on are free to use

    @property
    def steps(self) -> int:
        return 1

    def init(self, given: tuple[Tensor], noise: Noise) -> State:
        (c,) = given
        return self.draw(noise, c), c

    def step(self, state: State, k: Int[Tensor, " B"], noise: Noise) -> State:
        z, c = state
        return self.push(z, noise, c), c

    def finish(self, state: State, noise: Noise) -> Float[Tensor, " B *shape"]:
        return state[0]


def sample(sampler: Sampler, noise: Noise, c: Float[Tensor, "B C"] | None = None) -> Float[Tensor, " B *shape"]:
    """All steps for all rows at once, without gradients; without a condition where c is None.  (B, *shape)."""
    given = (no_condition(noise) if c is None else c,)
    with torch.inference_mode():
        return run(sampler, given, noise)


def no_condition(rows: Noise | Tensor) -> Float[Tensor, "B 0"]:
    """C of rows without a condition, (B, 0)."""
    return torch.empty(len(rows), 0, device=rows.device)
