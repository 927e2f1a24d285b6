"""Step-wise samplers: `init` a state from noise, `step` it, `finish` it into data.

Rows at different steps share one call: `k` has one step index for each row, and the rows of a state never look at
one another. A condition c, (B, C), rides along in the state. The noise of row i at step k is draw k + 1 of that row
(draw 0 is the initial state's), so an answer does not depend on batch-mates. A one-step family has `steps == 1`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, final

from pushforward.models.lazy import torch
from pushforward.models.noise import Noise

if TYPE_CHECKING:
    from torch import Tensor

State: TypeAlias = "tuple[Tensor, ...]"  # of rows on their way, rows first


class Sampler(ABC):
    """A way from noise to data in `steps` steps."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """How many calls of `step` lead from `init` to `finish`."""

    @abstractmethod
    def init(self, noise: Noise, c: Tensor) -> State:
        """The state before step 0.  c: (B, C)."""

    @abstractmethod
    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        """The state after step k.  k: (B,) int64 on the CPU, one index for each row, 0 <= k < steps."""

    @abstractmethod
    def finish(self, state: State) -> Tensor:
        """The state after the last step as data, (B, *shape), data units."""

    def preview(self, state: State, k: Tensor) -> Tensor:
        """The state before step k, 0 < k < steps, as something to look at, (B, *shape), data units."""
        return self.finish(state)


@final
@dataclass(frozen=True)
class OneStep(Sampler):
    """Draw a code, decode it: x = push(z, noise, c)."""

    draw: Callable[[Noise, Tensor], Tensor]  # noise and c to z, (B, *latent_shape)
    push: Callable[[Tensor, Noise, Tensor], Tensor]  # z to x, (B, *shape); draws from 1 on are free to use

    @property
    def steps(self) -> int:
        return 1

    def init(self, noise: Noise, c: Tensor) -> State:
        return self.draw(noise, c), c

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        z, c = state
        return self.push(z, noise, c), c

    def finish(self, state: State) -> Tensor:
        return state[0]


def sample(sampler: Sampler, noise: Noise, c: Tensor | None = None) -> Tensor:
    """All steps for all rows at once; without a condition where c is None.  Returns (B, *shape), data units."""
    for state in states(sampler, noise, untold(noise) if c is None else c):  # noqa: B007  the last is wanted
        pass
    with torch.inference_mode():
        return sampler.finish(state)


def states(sampler: Sampler, noise: Noise, c: Tensor) -> Iterator[State]:
    """The state after each step, for all rows at once; the last is for `finish`."""
    with torch.inference_mode():
        state = sampler.init(noise, c)
    for k in range(sampler.steps):
        with torch.inference_mode():
            state = sampler.step(state, torch.full((len(noise),), k), noise)
        yield state


def untold(rows: Noise | Tensor) -> Tensor:
    """C of rows without a condition, (B, 0)."""
    return torch.empty(len(rows), 0, device=rows.device)
