r"""The distribution of each column's cell, from the parameters that a network gives for it.

    P(k) = softmax(l + log s)_k                 a choice: a category, or which case of a number's cell it is; s is the
                                                case's share in training, so rare cases are rare from the start
    p(u) = sum_m w_m N(u; mu_m, sigma_m^2)      a number, where it is there (`models.distributions.normal_mixtures`)

A column that has both has P(k = 0) p(u), or P(k). A number on a grid has the mass of its grid cell in the place of a
density, the first and the last cell open. Where an atom lies on the grid, both ways to it count:

    P(atom) = P(k = atom) + P(k = 0) P(the atom's grid cell)

So the probabilities of a cell add up to one, and they are those of its draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from pushforward.models.distributions import normal_mixtures
from pushforward.models.lazy import F, torch
from pushforward.models.tables import choices
from pushforward.models.tables.coding import CodedRows, Coder, coder
from pushforward.models.tables.table import Table

if TYPE_CHECKING:
    from torch import Tensor


@final
@dataclass(frozen=True)
class ColumnHeads:
    """Distributions of the cells of one table: parameters (B, O), those of the numbers first."""

    table: Table
    components: int  # normals in the mixture of each number, M

    @property
    def inputs(self) -> list[int]:
        """The cell of each element of a coded row, (W,)."""
        return [number.cell for number in self.table.numbers] + self._of_logits

    @property
    def outputs(self) -> list[int]:
        """The cell of each parameter, (O,)."""
        numbers = [number.cell for number in self.table.numbers for _ in range(self._per_number)]
        return numbers + self._of_logits

    def log_terms(self, params: Tensor, coded: CodedRows) -> Tensor:
        """Log p of each cell, (B, C) float64 nats, in the table's units.  params: (B, O)."""
        theta, logits = self._split(params)
        coding = coder(self.table, params.device)
        of_choices = choices.log_probs(logits, coded.k, self.table.sizes).double()
        if self.table.has_steps:
            of_choices = self._with_atoms_on_grid(of_choices, theta, logits, coded, coding)
        terms = of_choices.new_zeros(len(params), self.table.n_cells)
        terms[:, [choice.cell for choice in self.table.choices]] = of_choices
        numbers = [number.cell for number in self.table.numbers]
        terms[:, numbers] = terms[:, numbers] + self._log_numbers(theta, coded, coding)
        return terms

    def draw(self, params: Tensor, v: Tensor, cell: int, u01: Tensor, normal: Tensor) -> Tensor:
        """Coded rows, (B, W), with a draw in one cell.  params: (B, O), u01: (B, 2), normal: (B,)."""
        theta, logits = self._split(params)
        coding = coder(self.table, v.device)
        i, j = self.table.parts[cell]
        k = torch.zeros(len(v), dtype=torch.long, device=v.device)
        if i is not None:
            k = choices.invert(choices.blocks(logits, self.table.sizes)[i], u01[:, 0])
        v = v.clone()
        if j is not None:
            u = v[:, : len(self.table.numbers)].double()
            u[:, j] = normal_mixtures.draw(theta[:, j], u01[:, 1], normal)
            r = coding.numbers(u)
            if i is not None:  # a number of the grid may be an atom
                k = torch.where(k == 0, coding.choice(r[:, j], cell), k)
            if bool(coding.step[j] > 0):
                u = coding.images_of(r)[0]
            v[:, j] = torch.where(k == 0, u[:, j].to(v.dtype), 0.0)
        if i is not None:
            start = len(self.table.numbers) + sum(self.table.sizes[:i])
            v[:, start : start + self.table.sizes[i]] = F.one_hot(k, self.table.sizes[i]).to(v.dtype)
        return v

    def _log_numbers(self, theta: Tensor, coded: CodedRows, coding: Coder) -> Tensor:
        """Log p of each number that is there, (B, P); 0 of the others."""
        u = coded.u.to(theta.dtype)
        log_p = normal_mixtures.log_density(theta, u).double() + coded.log_derivative
        if self.table.has_steps:
            mass = normal_mixtures.log_mass(theta, *coding.grid_cell(u)).double()
            log_p = torch.where(coding.step > 0, mass, log_p)
        return torch.where(coded.present, log_p, 0.0)

    def _with_atoms_on_grid(
        self, log_p: Tensor, theta: Tensor, logits: Tensor, coded: CodedRows, coding: Coder
    ) -> Tensor:
        """Log P of the choices, (B, Q), those of atoms with the mass of their grid cells."""
        columns = list(log_p.unbind(1))
        for j, number in enumerate(self.table.numbers):
            column, i = number.column, number.choice
            if i is None or column.step is None:
                continue
            log_there = choices.blocks(logits, self.table.sizes)[i].log_softmax(1)[:, 0].double()
            for case, atom in enumerate(column.atoms, 1 + column.missing):
                if _on_grid(atom, column.low, column.high, column.step):
                    r = coding.low.clone()[None]
                    r[:, j] = atom
                    grid_cell = (each[:, j] for each in coding.grid_cell_at(r, theta.dtype))
                    by_grid = log_there + normal_mixtures.log_mass(theta[:, j], *grid_cell).double()
                    columns[i] = torch.where(coded.k[:, i] == case, torch.logaddexp(columns[i], by_grid), columns[i])
        return torch.stack(columns, 1) if columns else log_p

    def _split(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """Parameters of the numbers, (B, P, 3 M), and logits of the choices, (B, sum of sizes)."""
        p = len(self.table.numbers)
        theta, logits = torch.split(params, [p * self._per_number, sum(self.table.sizes)], 1)
        log_shares = coder(self.table, params.device).log_shares.to(logits)
        return theta.view(len(params), p, self._per_number), logits + log_shares

    @property
    def _per_number(self) -> int:
        return normal_mixtures.PARAMS * self.components

    @property
    def _of_logits(self) -> list[int]:
        return [choice.cell for choice in self.table.choices for _ in range(choice.n_cases)]


def _on_grid(value: float, low: float, high: float, step: float) -> bool:
    """Whether a draw of the grid may be this value."""
    place = (value - low) / step
    return low - step / 2 < value < high + step / 2 and abs(place - round(place)) < 1e-6
