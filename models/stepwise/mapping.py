"""Step-wise maps of rows without randomness: data to codes, codes to data.

As with samplers (`models.stepwise.sampling`), rows at different steps share one call and never look at one another. A
map that is one forward pass says so by `OneCall`, with `steps == 0`: its state is what it is given, and `finish` is all
of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from pushforward.models.lazy import torch
from pushforward.models.spec.data_spec import Shape
from pushforward.models.stepwise.sampling import State

if TYPE_CHECKING:
    from torch import Tensor


class Walk(ABC):
    """A way from rows to rows in `steps` steps."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """How many calls of `step` lead from `init` to `finish`."""

    @abstractmethod
    def init(self, rows: Tensor, c: Tensor) -> State:
        """The state before step 0.  rows: (B, ...); c: (B, C)."""

    @abstractmethod
    def step(self, state: State, k: Tensor) -> State:
        """The state after step k.  k: (B,) int64 on the CPU, one index for each row, 0 <= k < steps."""

    @abstractmethod
    def finish(self, state: State) -> Tensor:
        """What the rows have become, (B, ...)."""


@final
@dataclass(frozen=True)
class OneCall(Walk):
    """The whole way at once."""

    call: Callable[[Tensor, Tensor], Tensor]

    @property
    def steps(self) -> int:
        return 0

    def init(self, rows: Tensor, c: Tensor) -> State:
        return rows, c

    def step(self, state: State, k: Tensor) -> State:
        return state

    def finish(self, state: State) -> Tensor:
        rows, c = state
        return self.call(rows, c)


def walk(path: Walk, rows: Tensor, c: Tensor) -> Tensor:
    """All steps for all rows at once."""
    state = path.init(rows, c)
    for k in range(path.steps):
        state = path.step(state, torch.full((len(rows),), k))
    return path.finish(state)


@final
@dataclass(frozen=True)
class ThereAndBack(Walk):
    """Data to codes to data. State: that of the way there, that of the way back, and c.

    The way back of a row begins where its way there has ended; until then its state is that of a code of zeros, held
    as conditions are: in the type of networks, which data need not share.
    """

    there: Walk
    back: Walk
    code_shape: Shape

    @property
    def steps(self) -> int:
        return self.there.steps + self.back.steps

    def init(self, rows: Tensor, c: Tensor) -> State:
        there = self.there.init(rows, c)
        z = c.new_zeros(len(rows), *self.code_shape) if self.there.steps else self.there.finish(there)
        return *there, *self.back.init(z, c), c

    def step(self, state: State, k: Tensor) -> State:
        there, back, c = self._parts(state)
        out, arrives = k < self.there.steps, k == self.there.steps - 1
        if out.any():
            moved = self.there.step(_of(there, out), k[out])
            there = _with(there, out, moved)
        if arrives.any():
            z = self.there.finish(_of(there, arrives))
            back = _with(back, arrives, self.back.init(z, _of((c,), arrives)[0]))
        if not out.all():
            back = _with(back, ~out, self.back.step(_of(back, ~out), k[~out] - self.there.steps))
        return *there, *back, c

    def finish(self, state: State) -> Tensor:
        return self.back.finish(self._parts(state)[1])

    def _parts(self, state: State) -> tuple[State, State, Tensor]:
        c = state[-1]
        n_back = len(self.back.init(c.new_empty(0, *self.code_shape), c[:0]))
        return state[: -1 - n_back], state[-1 - n_back : -1], c


def _of(state: State, rows: Tensor) -> State:
    """Some rows, (B,) bool, of a state."""
    return tuple(part[rows.to(part.device)] for part in state)


def _with(state: State, rows: Tensor, new: State) -> State:
    """A state some rows of which are others."""
    replaced = []
    for part, fresh in zip(state, new, strict=True):
        part = part.to(fresh.dtype, copy=True)
        part[rows.to(part.device)] = fresh
        replaced.append(part)
    return tuple(replaced)
