r"""Completion of a table's rows: some cells are given, g, the others are drawn from p(x_m | x_g).

A family whose conditionals take any cells draws them one after the other: exact. The others resample candidates that
agree with what is given (sampling-importance-resampling). Of candidate i, drawn from q_i,

    w_i = p(x_g, x_m,i) / q_i(x_m,i),      P(candidate i is taken) = w_i / sum_j w_j,

is biased by O(1/k) of k candidates. How many of them count is (sum w)^2 / sum w^2 (Kong, 1992), between 1 and k: near
1 the completion is one candidate, whatever its weight. Draws beyond those of the cells that are missing, such as of a
code, belong to q as well.

References:
    | Using the SIR algorithm to simulate posterior distributions (Rubin, 1988), Bayesian Statistics 3
    | A Note on Importance Sampling using Standardized Weights (Kong, 1992), technical report 348, University of Chicago
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, PositiveInt

from pushforward.models.config.config import Options
from pushforward.models.tables import choices
from pushforward.models.variational.importance import effective_share
from pushforward.models.variational.weighted_draws import Draws, log_weights

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise

MAX_CANDIDATES = 5_000
FREE = MAX_CANDIDATES * 8  # the first draw of a row's noise that no candidate has


class CandidateOptions(Options):
    """How many candidates an approximate completion has; an exact one has none."""

    candidates: PositiveInt = Field(200, le=MAX_CANDIDATES)
    """Rows that agree with what is given, of which one is taken by its weight."""


class Completed(NamedTuple):
    """Rows whose cells are those given, or drawn."""

    x: Tensor  # (B, C) cells
    kind: Literal["exact", "approximate"]
    effective: Tensor | None = None  # (B,) how many candidates count, of an approximate completion


class CompletesRows(ABC):
    """Draws the cells of a table's rows that are missing, given the others."""

    CompleteOptions: ClassVar[type[Options]] = CandidateOptions

    def check_given(self, x: np.ndarray, given: np.ndarray) -> None:  # noqa: B027  most take all
        """Refuse given cells that it cannot complete, (B, C) each, by InvalidInput: the column, the remedy."""

    @abstractmethod
    def complete_rows(self, nets: Nets, x: Tensor, given: Tensor, noise: Noise, c: Tensor, options: Any) -> Completed:
        """A draw for each row of noise.

        Arguments:
            x: (B, C) cells; NaN where it is given that there is none. Those that are not given may be anything.
            given: (B, C) bool.
            options: a `CompleteOptions`.
        """


class Candidates(NamedTuple):
    """Rows that agree with what is given."""

    x: Tensor  # (draws B, C) cells
    log_w: Tensor  # (draws B,) nats, but for a constant of each row


def resampled(candidates: Callable[[Draws], Candidates], noise: Noise, n: int, *, size: int) -> Completed:
    """One of n candidates of each row, by its weight.

    A candidate is a function of its draw, so the one that is taken is made again: memory is that of weights.

    Arguments:
        candidates: of some draws, which take noise below `FREE`.
        size: numbers in the largest tensor of one row.
    """
    log_w = log_weights(lambda draws: candidates(draws).log_w, noise, n, size=size)  # (n, B)
    taken = choices.invert(log_w.T, noise.uniform(FREE, (1,))[:, 0].to(log_w))
    taken_draws = Draws.of(noise, range(1)).after(taken.cpu().numpy().astype(np.int64))
    return Completed(candidates(taken_draws).x, "approximate", effective_share(log_w) * n)


def numbered(draws: Draws, stream: int) -> np.ndarray:
    """The number of each draw's noise in one of 8 streams, (draws B,)."""
    return draws.number + stream * MAX_CANDIDATES
