"""Step-wise likelihoods: `init` a state from data, `step` it, `finish` it into log p(x).

As with samplers (`models.stepwise.sampling`), rows at different steps share one call and never look at one another. A
family that needs no steps says so by `OneCall`, with `steps == 0`: its state is the data, and `finish` is all of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, final

from pushforward.models.lazy import torch
from pushforward.models.noise import Noise
from pushforward.models.stepwise.sampling import State

if TYPE_CHECKING:
    from torch import Tensor


class LogProb(NamedTuple):
    """log p(x) in nats, and what kind of number it is."""

    value: Tensor  # (B,) nats, in data units; for data with levels, of the level itself
    kind: Literal["exact", "lower_bound", "estimate"]
    std_error: Tensor | None = None  # (B,) Monte Carlo standard error, nats
    terms: Mapping[str, Tensor] = {}  # what else is told of each row, (B,), the unit in the name


class Scorer(ABC):
    """A way from data to their log-likelihood in `steps` steps."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """How many calls of `step` lead from `init` to `finish`."""

    @abstractmethod
    def init(self, x: Tensor, c: Tensor, noise: Noise) -> State:
        """The state before step 0.  x: (B, *shape), data units; c: (B, C)."""

    @abstractmethod
    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        """The state after step k.  k: (B,) int64 on the CPU, one index for each row, 0 <= k < steps."""

    @abstractmethod
    def finish(self, state: State, noise: Noise) -> LogProb:
        """Log p(x), (B,) nats."""


@final
@dataclass(frozen=True)
class OneCall(Scorer):
    """The whole likelihood at once."""

    log_prob: Callable[[Tensor, Tensor, Noise], LogProb]

    @property
    def steps(self) -> int:
        return 0

    def init(self, x: Tensor, c: Tensor, noise: Noise) -> State:
        return x, c

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        return state

    def finish(self, state: State, noise: Noise) -> LogProb:
        x, c = state
        return self.log_prob(x, c, noise)


def score(scorer: Scorer, x: Tensor, c: Tensor, noise: Noise) -> LogProb:
    """All steps for all rows at once.  x: (B, *shape), data units; c: (B, C); `noise` has B rows."""
    state = scorer.init(x, c, noise)
    for k in range(scorer.steps):
        state = scorer.step(state, torch.full((len(x),), k), noise)
    return scorer.finish(state, noise)
