r"""Rows of a table as networks see them, and back.

    u_j = g_j(r_j)            the numbers, (B, P) float32; 0 where there is none
    k_i                       the choices, (B, Q) int64; of a number: 0 where it is there, then missing, its atoms
    v = (u, one-hot k)        both in one row, (B, W)

A number with a step s lies on a grid. It is spread over its cell of the grid, r + s (w - 1/2) with w uniform in (0, 1),
and log s is part of the log-derivative: then E_w p(r + s (w - 1/2)) s is the probability of the cell.

The log-derivative is the sum of log g_j'(r_j) over the numbers that are there.

References:
    | A note on the evaluation of generative models (Theis, van den Oord & Bethge, 2015), https://arxiv.org/abs/1511.01844
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any, NamedTuple, final

from pushforward.models.lazy import F, torch
from pushforward.models.tables.choices import likeliest
from pushforward.models.tables.columns import Category
from pushforward.models.tables.table import Table

if TYPE_CHECKING:
    from torch import Tensor

ON_ATOM = 1e-9  # relative distance of a number that is an atom
TINY = 1e-300  # in the place of numbers that have no logarithm, and are not used
MAX_LOG = 700.0  # its exponential is finite


class CodedRows(NamedTuple):
    """Rows of a table as networks see them."""

    u: Tensor  # (B, P) float32, 0 where absent
    present: Tensor  # (B, P) bool
    k: Tensor  # (B, Q) int64
    log_derivative: Tensor  # (B, P) float64: log g_j'(r_j), and log s_j of a grid; 0 where absent


@final
@dataclass(frozen=True)
class Coder:
    """Codes the rows of one table on one device."""

    table: Table
    knots: Tensor  # (P, K) float64, the last piece of short ones repeated
    images: Tensor  # (P, K)
    origin: Tensor  # (P,) NaN where the number itself is mapped
    step: Tensor  # (P,) 0 without a grid
    low: Tensor  # (P,)
    high: Tensor  # (P,)
    log_shares: Tensor  # (sum of sizes,) of the cases of each choice

    def encode(self, x: Tensor, w: Tensor | None = None) -> CodedRows:
        """Rows of cells, (B, C), coded.

        w: (B, P) in (0, 1), the place of each number within its grid cell; the middle without.
        """
        r, k = self._choices(x)
        present = self.present(k)
        r = torch.where(present, r, self._anywhere)
        if w is not None:
            r = r + self.step * (w.double() - 0.5)
        u, log_derivative = self.images_of(r)
        log_derivative = log_derivative + torch.where(self.step > 0, self.step.clamp_min(TINY).log(), 0.0)
        return CodedRows(torch.where(present, u, 0.0).float(), present, k, torch.where(present, log_derivative, 0.0))

    def decode(self, u: Tensor, k: Tensor) -> Tensor:
        """The inverse: cells, (B, C) float64; numbers of a grid on their grid, within what training has seen."""
        return self._cells(self.numbers(u), k)

    def grid_cell(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The middle and half the width of each number's grid cell in network units, whether it is first, last.

        All (B, P); where a column has no grid, a width of 1.
        """
        return self.grid_cell_at(self.numbers(u), u.dtype)

    def grid_cell_at(self, r: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`grid_cell` of numbers, (B, P) float64."""
        ends = [self.images_of(r + side * self.step)[0] for side in (-0.5, 0.5)]
        on_grid = self.step > 0
        center = torch.where(on_grid, (ends[0] + ends[1]) / 2, 0.0).to(dtype)
        half = torch.where(on_grid, (ends[1] - ends[0]) / 2, 1.0).to(dtype)
        return center, half, r <= self.low + self.step / 4, r >= self.high - self.step / 4

    def row(self, coded: CodedRows) -> Tensor:
        """V: numbers and one-hot choices in one row, (B, W) float32."""
        return torch.cat([coded.u, self.one_hot(coded.k)], 1)

    def one_hot(self, k: Tensor) -> Tensor:
        """(B, Q) to (B, sum of sizes) float32."""
        hot = [F.one_hot(k[:, i], size).float() for i, size in enumerate(self.table.sizes)]
        return torch.cat(hot, 1) if hot else k.new_zeros(len(k), 0, dtype=torch.float32)

    def piece(self, t: Tensor, borders: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Slope, knot and image of the piece that each number lies on, (B, P) each.  t: (B, P), borders: (P, K)."""
        i = torch.searchsorted(borders, t.T.contiguous()).clamp(1, borders.shape[1] - 1)  # (P, B)
        t0, t1, u0, u1 = (
            each.gather(1, at).T for each, at in ((self.knots, i - 1), (self.knots, i), (self.images, i - 1),
                                                  (self.images, i))
        )  # fmt: skip
        return (u1 - u0) / (t1 - t0), t0, u0

    @property
    def _anywhere(self) -> Tensor:
        """A number of each column, (P,), for cells without one."""
        first = self.knots[:, 0]
        return torch.where(self.origin.isnan(), first, first.exp() + self.origin.nan_to_num())

    def images_of(self, r: Tensor) -> tuple[Tensor, Tensor]:
        """G(r) and log g'(r), (B, P) float64."""
        t = torch.where(self.origin.isnan(), r, (r - self.origin.nan_to_num()).clamp_min(TINY).log())
        slope, knot, image = self.piece(t, self.knots)
        return image + slope * (t - knot), slope.log() - torch.where(self.origin.isnan(), 0.0, t)

    def numbers(self, u: Tensor) -> Tensor:
        """The inverse of g, on the grid where there is one and within what training has seen of it, (B, P) float64."""
        slope, knot, image = self.piece(u.double(), self.images)
        t = knot + (u.double() - image) / slope
        r = torch.where(self.origin.isnan(), t, t.clamp_max(MAX_LOG).exp() + self.origin.nan_to_num())
        on_grid = self.low + self.step * ((r - self.low) / self.step.clamp_min(TINY)).round()
        return torch.where(self.step > 0, on_grid.clamp(self.low, self.high), r)

    def _choices(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers as they stand in the cells, (B, P), and choices, (B, Q)."""
        x = x.double()
        r = x[:, [number.cell for number in self.table.numbers]]
        choices = [self.choice(x[:, choice.cell], choice.cell) for choice in self.table.choices]
        k = torch.stack(choices, 1) if choices else torch.zeros(len(x), 0, dtype=torch.long, device=x.device)
        return r, k

    def choice(self, cells: Tensor, cell: int) -> Tensor:
        """The choice that each cell of a column makes, (B,).  cells: (B,)."""
        column = self.table.modelled[cell]
        empty = cells.isnan()
        if isinstance(column, Category):
            return torch.where(empty, float(len(column.values)), cells).long()
        k = empty.long()
        for i, atom in enumerate(column.atoms):
            k = torch.where((cells - atom).abs() <= ON_ATOM * max(1.0, abs(atom)), 1 + column.missing + i, k)
        return k

    def present(self, k: Tensor) -> Tensor:
        """Whether each number is there, (B, P)."""
        there = [
            torch.ones(len(k), dtype=torch.bool, device=k.device) if number.choice is None else k[:, number.choice] == 0
            for number in self.table.numbers
        ]
        return torch.stack(there, 1) if there else torch.zeros(len(k), 0, dtype=torch.bool, device=k.device)

    def _cells(self, r: Tensor, k: Tensor) -> Tensor:
        x = r.new_empty(len(k), self.table.n_cells)
        for j, number in enumerate(self.table.numbers):
            x[:, number.cell] = r[:, j]
        for i, choice in enumerate(self.table.choices):
            column = self.table.modelled[choice.cell]
            if isinstance(column, Category):
                x[:, choice.cell] = torch.where(k[:, i] == len(column.values), torch.nan, k[:, i].double())
                continue
            cases = [torch.nan] * column.missing + list(column.atoms)
            for case, value in enumerate(cases, 1):
                x[:, choice.cell] = torch.where(k[:, i] == case, value, x[:, choice.cell])
        return x


def coded_rows(table: Table, x: Tensor) -> Tensor:
    """Rows v, (B, W), of cells, (B, C)."""
    coding = coder(table, x.device)
    return coding.row(coding.encode(x))


def decode_row(table: Table, v: Tensor) -> Tensor:
    """Cells, (B, C), of rows v, (B, W): of each choice the likeliest case."""
    p = len(table.numbers)
    return coder(table, v.device).decode(v[:, :p], likeliest(v[:, p:], table.sizes))


def coder(table: Table, device: torch.device) -> Coder:
    """The coder of a table on a device, made once."""
    known = table.coders.get(device)
    if known is None:
        known = table.coders[device] = _coder(table, device)
    return known


def _coder(table: Table, device: torch.device) -> Coder:
    n_knots = max((len(number.column.transform.knots) for number in table.numbers), default=2)
    knots, images, rows = [], [], []
    for number in table.numbers:
        column = number.column
        knots.append(_extended(column.transform.knots, n_knots))
        images.append(_extended(column.transform.images, n_knots))
        from_where = nan if column.transform.origin is None else column.transform.origin
        rows.append((from_where, column.step or 0.0, column.low, column.high))
    with torch.inference_mode(False):  # networks are trained with these, too

        def of_columns(values: list[Any], n: int) -> Tensor:
            return torch.tensor(values, dtype=torch.float64, device=device).view(-1, n)

        origin, step, low, high = of_columns(rows, 4).unbind(1)
        log_shares = torch.tensor(table.log_shares, dtype=torch.float64, device=device)
        places = of_columns(knots, n_knots), of_columns(images, n_knots)
        return Coder(table, *places, origin, step, low, high, log_shares)


def _extended(values: tuple[float, ...], n: int) -> list[float]:
    """As many as n: the last piece goes on."""
    more = range(1, n - len(values) + 1)
    return [*values, *(values[-1] + i * (values[-1] - values[-2]) for i in more)]
