r"""A perceptron masked so that each output sees the inputs of the variables before its own: variables of any width.

    p(x_1, ..., x_D | c) = prod_d p(x_d | x_1, ..., x_{d-1}, c)

It is MADE (`models.networks.masked.made`) over blocks: all inputs of variable d have degree d, such as those of a
one-hot code, and so have all its parameters, of which there may be another number.

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
class MaskedPerceptron(nn.Module):
    """Parameters of D variables, (B, n_outputs), from the variables, (B, n_inputs), and a condition.

    Arguments:
        inputs, outputs: which variable each input and each output belongs to, 0 to D - 1.
    """

    def __init__(
        self, inputs: Sequence[int], outputs: Sequence[int], *, width: int, depth: int, condition_size: int = 0
    ) -> None:
        super().__init__()
        n_variables = max([*inputs, *outputs]) + 1
        hidden = torch.arange(width) * n_variables // width
        condition = torch.zeros(condition_size, dtype=torch.long)
        degrees = [torch.tensor(inputs, dtype=torch.long) + 1, *[hidden] * depth]
        self.hidden = nn.ModuleList(
            MaskedLinear(above[:, None] >= torch.cat([below, condition])) for below, above in pairwise(degrees)
        )
        self.out = MaskedLinear((torch.tensor(outputs) + 1)[:, None] > torch.cat([hidden, condition]))

    def forward(self, x: Float[Tensor, "B I"], c: Float[Tensor, "B C"] | None = None) -> Float[Tensor, "B O"]:
        h, condition = x, [] if c is None else [c]
        for layer in self.hidden:
            h = F.relu(layer(torch.cat([h, *condition], 1)))
        out: Tensor = self.out(torch.cat([h, *condition], 1))
        return out
