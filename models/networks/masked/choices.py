r"""A perceptron that gives the logits of each choice from the choices before it: exact P(k) of several categories.

    P(k_1, ..., k_Q | c) = prod_i P(k_i | k_1, ..., k_{i-1}, c)

It is MADE (`models.networks.masked.made`) over blocks: the inputs of choice i, a one-hot code, have degree i, and so
have the logits of choice i + 1 and the units that lead there.

References:
    | MADE: Masked Autoencoder for Distribution Estimation (Germain et al., 2015), https://arxiv.org/abs/1502.03509
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pushforward.models.networks.masked.made import MaskedLinear

if TYPE_CHECKING:
    from jaxtyping import Float


@final
class MaskedChoices(nn.Module):
    """Logits of Q choices, (B, sum of sizes), from their one-hot codes and a condition, (B, condition_size)."""

    def __init__(self, sizes: Sequence[int], *, width: int, depth: int, condition_size: int = 0) -> None:
        super().__init__()
        block = torch.cat([torch.full((size,), i) for i, size in enumerate(sizes, 1)])  # i, of each input and output
        hidden = torch.arange(width) * len(sizes) // width
        condition = torch.zeros(condition_size, dtype=torch.long)
        self.hidden = nn.ModuleList(
            MaskedLinear(above[:, None] >= torch.cat([below, condition]))
            for below, above in pairwise([block, *[hidden] * depth])
        )
        self.out = MaskedLinear(block[:, None] > torch.cat([hidden, condition]))

    def forward(self, hot: Float[Tensor, "B S"], c: Float[Tensor, "B C"] | None = None) -> Float[Tensor, "B S"]:
        h, condition = hot, [] if c is None else [c]
        for layer in self.hidden:
            h = F.relu(layer(torch.cat([h, *condition], 1)))
        out: Tensor = self.out(torch.cat([h, *condition], 1))
        return out
