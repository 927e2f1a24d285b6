"""Denoisers that know the distribution of a table's rows exactly."""

from itertools import product

import torch
from torch import Tensor, nn

from pushforward.models.paths import multinomial
from pushforward.models.paths.schedules import Level
from pushforward.models.samplers.mixed_steps import MixedPredictor
from pushforward.models.tables.table import Table


class KnownRows(nn.Module):
    """Numbers N(0, 1) in network units whatever the choices are, and choices with the probabilities `joint`.

    The distribution of a choice is that given the other noisy choices: what the best network says.
    """

    def __init__(self, n_numbers: int, joint: Tensor) -> None:
        super().__init__()
        self.n_numbers, self.joint = n_numbers, joint

    def forward(self, v: Tensor, log_snr: Tensor) -> Tensor:
        u, hot = v[:, : self.n_numbers], v[:, self.n_numbers :]
        return torch.cat([Level.at(log_snr, u).sigma * u, self._logits(hot, log_snr.double().sigmoid()).to(v)], 1)

    def _logits(self, hot: Tensor, alpha_bar: Tensor) -> Tensor:
        sizes = tuple(self.joint.shape)
        likelihood = multinomial.noisy(hot, alpha_bar, sizes).exp().split(sizes, 1)  # q(k_t | k_0) = q(k_0 | k_t)
        parts = []
        for i, n in enumerate(sizes):
            total = torch.zeros(len(hot), n, dtype=torch.float64)
            for k in product(*map(range, sizes)):
                others = [likelihood[j][:, k[j]] for j in range(len(sizes)) if j != i]
                total[:, k[i]] += self.joint[k] * torch.stack([torch.ones(len(hot)), *others]).prod(0)
            parts.append(total.log())
        return torch.cat(parts, 1) if parts else hot


def known(table: Table, joint: Tensor) -> MixedPredictor:
    """The predictor of rows with these probabilities of choices, joint: (D_1, ..., D_Q)."""
    return MixedPredictor(KnownRows(len(table.numbers), joint), table)
