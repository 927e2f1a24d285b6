"""Programs of a family of vectors, from the cells of a table's rows or to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from pushforward.models.noise import Noise
from pushforward.models.stepwise.program import Program, State
from pushforward.models.stepwise.sampling import Sampler
from pushforward.models.stepwise.scoring import LogProb

if TYPE_CHECKING:
    from jaxtyping import Int
    from torch import Tensor

    from pushforward.models.stepwise.mapping import RowMap
    from pushforward.models.stepwise.scoring import Scorer


@final
@dataclass(frozen=True)
class SampledRows(Sampler):
    """Draws coded rows and decodes them."""

    rows: Sampler
    decode: Callable[[Tensor], Tensor]  # (B, W) to cells, (B, C)

    @property
    def steps(self) -> int:
        return self.rows.steps

    def init(self, given: tuple[Tensor], noise: Noise) -> State:
        return self.rows.init(given, noise)

    def step(self, state: State, k: Int[Tensor, " B"], noise: Noise) -> State:
        return self.rows.step(state, k, noise)

    def finish(self, state: State, noise: Noise) -> Tensor:
        return self.decode(self.rows.finish(state, noise))

    def preview(self, state: State, noise: Noise) -> Tensor:
        return self.decode(self.rows.preview(state, noise))


@final
@dataclass(frozen=True)
class ScoredRows(Program["tuple[Tensor, Tensor]", LogProb]):
    """Codes rows and scores them; what changes the units, (B,) nats, is the last of the state."""

    rows: Scorer
    encode: Callable[[Tensor], tuple[Tensor, Tensor]]  # cells, (B, C), to (B, W) and a log-derivative, (B,)

    @property
    def steps(self) -> int:
        return self.rows.steps

    def init(self, given: tuple[Tensor, Tensor], noise: Noise) -> State:
        x, c = given
        v, log_derivative = self.encode(x)
        return (*self.rows.init((v, c), noise), log_derivative)

    def step(self, state: State, k: Int[Tensor, " B"], noise: Noise) -> State:
        *of_rows, log_derivative = state
        return (*self.rows.step(tuple(of_rows), k, noise), log_derivative)

    def finish(self, state: State, noise: Noise) -> LogProb:
        *of_rows, log_derivative = state
        scored = self.rows.finish(tuple(of_rows), noise)
        return scored._replace(value=scored.value + log_derivative)


@final
@dataclass(frozen=True)
class MappedRows(Program["tuple[Tensor, Tensor]", "Tensor"]):
    """Maps rows or codes, what goes in or comes out changed by a function of rows."""

    rows: RowMap
    before: Callable[[Tensor], Tensor]
    after: Callable[[Tensor], Tensor]

    @property
    def steps(self) -> int:
        return self.rows.steps

    def init(self, given: tuple[Tensor, Tensor], noise: Noise) -> State:
        rows, c = given
        return self.rows.init((self.before(rows), c), noise)

    def step(self, state: State, k: Int[Tensor, " B"], noise: Noise) -> State:
        return self.rows.step(state, k, noise)

    def finish(self, state: State, noise: Noise) -> Tensor:
        return self.after(self.rows.finish(state, noise))
