r"""Adam with decoupled weight decay, for the weights of one loss.

    m <- b_1 m + (1 - b_1) g,      v <- b_2 v + (1 - b_2) g^2,
    w <- w - lr (m / (1 - b_1^k) / (sqrt(v / (1 - b_2^k)) + eps) + decay w)      at step k

The kernels are those of `torch.optim.Adam`. Its class is not used: making one imports PyTorch's compiler, for which
every training would wait one and a half seconds.

References:
    | Adam: A Method for Stochastic Optimization (Kingma & Ba, 2014), https://arxiv.org/abs/1412.6980
    | Decoupled Weight Decay Regularization (Loshchilov & Hutter, 2017), https://arxiv.org/abs/1711.05101
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self, final

import torch
from torch import Tensor
from torch.optim.adam import adam

EPS = 1e-8


@final
@dataclass(frozen=True)
class AdamW:
    """Weights and their moments; `step` changes both in place."""

    weights: Sequence[Tensor]
    steps: list[Tensor]  # float32 scalars: k of each weight
    means: list[Tensor]  # m
    squares: list[Tensor]  # v

    @classmethod
    def of(cls, weights: Sequence[Tensor]) -> Self:
        """The state before the first step."""
        zeros = [[torch.zeros_like(w, requires_grad=False) for w in weights] for _ in range(2)]
        return cls(weights, [torch.zeros((), device=w.device) for w in weights], *zeros)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], lr: float, betas: tuple[float, float], decay: float) -> None:
        """Take one step."""
        adam(
            list(self.weights),
            [_laid_out_as(w, g) for w, g in zip(self.weights, gradients, strict=True)],
            self.means,
            self.squares,
            [],
            self.steps,
            fused=True,
            decoupled_weight_decay=True,
            amsgrad=False,
            beta1=betas[0],
            beta2=betas[1],
            lr=lr,
            weight_decay=decay,
            eps=EPS,
            maximize=False,
        )

    def memory(self, i: int) -> dict[str, Tensor]:
        """The moments of weight i, by the names that `torch.optim.Adam` gives them."""
        return {"step": self.steps[i], "exp_avg": self.means[i], "exp_avg_sq": self.squares[i]}

    def restore(self, i: int, memory: Mapping[str, Tensor]) -> None:
        """Go on from what `memory` gave. Raises KeyError or RuntimeError where it does not fit."""
        for name, mine in self.memory(i).items():
            mine.copy_(memory[name])


def _laid_out_as(weight: Tensor, gradient: Tensor) -> Tensor:
    """The gradient in the weight's order in memory: the fused kernel pairs elements by their place there."""
    return gradient if gradient.stride() == weight.stride() else torch.empty_like(weight).copy_(gradient)
