"""Programs over the columns of a table: step k draws the k-th column, or scores it, given those that are known.

A row's columns are drawn in their order. What a request gives is known from the start, and is not drawn; so the same
program draws new rows and completes rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from pushforward.models.lazy import torch
from pushforward.models.noise import Noise
from pushforward.models.stepwise.program import Program, State
from pushforward.models.stepwise.sampling import Sampler
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.tables.coding import CodedRows, coder, decode_row
from pushforward.models.tables.table import Table
from pushforward.models.tabular.heads import ColumnHeads

if TYPE_CHECKING:
    from jaxtyping import Int
    from torch import Tensor

Conditionals = Callable[["Tensor", "Tensor", "Tensor"], "Tensor"]
"""Coded rows v, (B, W), which cells of them are known, (B, C) bool, and c, (B, N), to parameters, (B, O)."""


@final
@dataclass(frozen=True)
class ColumnCompleter(Program["tuple[Tensor, Tensor, Tensor]", "Tensor"]):
    """Given cells, (B, C), which of them are given, (B, C) bool, and c. State: cells, coded rows, given, c."""

    heads: ColumnHeads
    conditionals: Conditionals

    @property
    def steps(self) -> int:
        return self.heads.table.n_cells

    def init(self, given: tuple[Tensor, Tensor, Tensor], noise: Noise) -> State:
        x, is_given, c = given
        x = with_stand_ins(self.heads.table, x, is_given)
        coding = coder(self.heads.table, x.device)
        return x, coding.row(coding.encode(x)).to(c), is_given, c

    def step(self, state: State, k: Int[Tensor, " B"], noise: Noise) -> State:
        x, v, given, c = state
        k_here = k.to(v.device)
        known = given | (torch.arange(self.steps, device=v.device) < k_here[:, None])
        params = self.conditionals(v, known, c)
        u01, normal = noise.uniform(k + 1, (2,)), noise.normal(self.steps + k + 1, (1,))[:, 0]
        drawn = v.clone()
        for cell in set(k.tolist()):
            rows = (k_here == cell) & ~given[:, cell]
            drawn[rows] = self.heads.draw(params[rows], v[rows], cell, u01[rows], normal[rows].to(v))
        return x, drawn, given, c

    def finish(self, state: State, noise: Noise) -> Tensor:
        x, v, given, _ = state
        return torch.where(given, x, decode_row(self.heads.table, v))


@final
@dataclass(frozen=True)
class ColumnSampler(Sampler):
    """Completes rows of which nothing is given."""

    completer: ColumnCompleter

    @property
    def steps(self) -> int:
        return self.completer.steps

    def init(self, given: tuple[Tensor], noise: Noise) -> State:
        (c,) = given
        x = torch.zeros(len(noise), self.steps, dtype=torch.float64, device=noise.device)
        return self.completer.init((x, torch.zeros_like(x, dtype=torch.bool), c), noise)

    def step(self, state: State, k: Int[Tensor, " B"], noise: Noise) -> State:
        return self.completer.step(state, k, noise)

    def finish(self, state: State, noise: Noise) -> Tensor:
        return self.completer.finish(state, noise)


@final
@dataclass(frozen=True)
class ColumnScorer(Program["tuple[Tensor, Tensor]", LogProb]):
    """Scores column by column where one call cannot. State: the parts of coded rows, c, log p of cells, (B, C)."""

    heads: ColumnHeads
    conditionals: Conditionals

    @property
    def steps(self) -> int:
        return self.heads.table.n_cells

    def init(self, given: tuple[Tensor, Tensor], noise: Noise) -> State:
        x, c = given
        return *coder(self.heads.table, x.device).encode(x), c, torch.zeros_like(x, dtype=torch.float64)

    def step(self, state: State, k: Int[Tensor, " B"], noise: Noise) -> State:
        *parts, c, log_p = state
        coded, k_here = CodedRows(*parts), k.to(c.device)[:, None]
        place = torch.arange(self.steps, device=c.device)
        v = coder(self.heads.table, c.device).row(coded).to(c)
        terms = self.heads.log_terms(self.conditionals(v, place < k_here, c), coded)
        return *parts, c, torch.where(place == k_here, terms, log_p)

    def finish(self, state: State, noise: Noise) -> LogProb:
        return by_column(self.heads, state[-1])


def by_column(heads: ColumnHeads, log_p: Tensor) -> LogProb:
    """The exact log p of rows, with that of each column by its name.  log_p: (B, C) nats."""
    names = [column.name for column in heads.table.modelled]
    return LogProb(log_p.sum(1), "exact", terms=dict(zip(names, log_p.unbind(1), strict=True)))


def with_stand_ins(table: Table, x: Tensor, given: Tensor) -> Tensor:
    """Cells, (B, C) float64, others in the place of those that are not given, which may be anything."""
    return torch.where(given, x.double(), torch.tensor(table.stand_in, dtype=torch.float64, device=x.device))
