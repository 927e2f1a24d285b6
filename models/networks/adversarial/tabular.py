"""What a generator of a table's rows keeps of the data, beside its weights: modes of numbers, counts of cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from jaxtyping import Float


@final
class NumberModes(nn.Module):
    """The mixtures of a table's numbers, (P, M) each; a mode that a number lacks has weight 0."""

    weight: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, modes: Sequence[tuple[Sequence[float], Sequence[float], Sequence[float]]]) -> None:
        """Modes of each number: their weights, means and deviations."""
        super().__init__()
        n_modes = len(modes[0][0]) if modes else 1
        for i, name in enumerate(("weight", "mean", "std")):
            values = torch.tensor([list(each[i]) for each in modes], dtype=torch.float64)
            self.register_buffer(name, values.view(-1, n_modes))


@final
class CaseCounts(nn.Module):
    """How often training has seen each case of each choice, (sum of sizes,)."""

    counts: Tensor

    def __init__(self, n_cases: int) -> None:
        super().__init__()
        self.register_buffer("counts", torch.zeros(n_cases, dtype=torch.float64))

    def forward(self) -> Float[Tensor, " K"]:
        return self.counts.clone()

    @torch.no_grad()
    def add(self, hot: Float[Tensor, "B K"]) -> None:
        """Count the cases of more rows, one-hot."""
        self.counts.add_(hot.double().sum(0))
