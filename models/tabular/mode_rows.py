r"""Rows of a table as a critic sees them: places within modes, modes, choices.

    alpha_1 ... alpha_P | b_1 ... b_P, one-hot | k_1 ... k_Q, one-hot

A generator says a tanh of the alphas, and logits l of modes and choices. In its game one-hot codes are softened by
Gumbel noise, softmax((l + G) / tau), tau = 0.2; draws for users are exact ones of softmax(l). What belongs to an absent
number is 0: the generator's share of "present" gates it, and the choice that is drawn decides in the end.

References:
    | Modeling Tabular Data using Conditional GAN (Xu et al., 2019), https://arxiv.org/abs/1907.00503
    | Categorical Reparameterization with Gumbel-Softmax (Jang et al., 2016), https://arxiv.org/abs/1611.01144
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, final

from pushforward.models.lazy import torch
from pushforward.models.tables import choices
from pushforward.models.tables.coding import coder
from pushforward.models.tables.table import Table

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from pushforward.models.noise import Noise
    from pushforward.models.tables.coding import CodedRows
    from pushforward.models.tabular.modes import ModeCoder

TAU = 0.2
NEVER = -1e9  # logit of a mode that a number lacks
MODE_DRAW, CHOICE_DRAW = 2, 3  # of a row's noise


@final
@dataclass(frozen=True)
class ModeRows:
    """Rows of one table for a critic, (B, P + P M + sum of sizes)."""

    table: Table
    modes: ModeCoder

    def real(self, coded: CodedRows, uniform: Tensor) -> Tensor:
        """Rows of the data.  uniform: (B, P) in (0, 1), draws the modes."""
        alpha, b = self.modes.encode(coded.u, uniform)
        hot = (b[:, :, None] == torch.arange(self.modes.weight.shape[1], device=b.device)).to(alpha)
        return self._joined(alpha, hot, coder(self.table, alpha.device).one_hot(coded.k), coded.present.to(alpha))

    def soft(self, said: Tensor, rng: Generator) -> Tensor:
        """Rows that a generator says, (B, ...), with gradients."""
        alpha, of_modes, of_choices = self.parts(said)
        gumbel = -(-torch.rand(said.shape, generator=rng, device=said.device).clamp(1e-20, 1 - 1e-7).log()).log()
        _, by_modes, by_choices = self._split(gumbel)
        hot = ((of_modes + by_modes) / TAU).softmax(2)
        blocks = choices.blocks((of_choices + by_choices) / TAU, self.table.sizes)
        k = torch.cat([block.softmax(1) for block in blocks], 1) if blocks else of_choices
        return self._joined(alpha, hot, k, self._present(k))

    def drawn(self, said: Tensor, noise: Noise) -> Tensor:
        """Cells, (B, C), drawn from what a generator says."""
        alpha, of_modes, of_choices = self.parts(said)
        sizes = self.table.sizes
        k = choices.draw(of_choices, noise.uniform(CHOICE_DRAW, (len(sizes),)), sizes)
        uniform = noise.uniform(MODE_DRAW, alpha.shape[1:])
        b = choices.invert(of_modes.flatten(0, 1), uniform.flatten()).view(alpha.shape)
        return coder(self.table, said.device).decode(self.modes.decode(alpha, b), k)

    def parts(self, said: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Alphas, (B, P), and logits of modes, (B, P, M), and of choices, (B, sum of sizes)."""
        alpha, of_modes, of_choices = self._split(said)
        return alpha.tanh(), of_modes.masked_fill(self.modes.weight == 0, NEVER), of_choices

    def _split(self, row: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        p, m = self.modes.weight.shape
        return row[:, :p], row[:, p : p + p * m].view(len(row), p, m), row[:, p + p * m :]

    def _present(self, k: Tensor) -> Tensor:
        """The share of each number that is there, (B, P).  k: (B, sum of sizes)."""
        first = (0, *accumulate(self.table.sizes))
        there = [
            torch.ones_like(k[:, :1].sum(1)) if number.choice is None else k[:, first[number.choice]]
            for number in self.table.numbers
        ]
        return torch.stack(there, 1) if there else k.new_zeros(len(k), 0)

    def _joined(self, alpha: Tensor, hot: Tensor, k: Tensor, present: Tensor) -> Tensor:
        return torch.cat([alpha * present, (hot * present[:, :, None]).flatten(1), k], 1)
