r"""A posterior for each row on its own: black-box variational inference from where the encoder starts it.

    lambda_x = argmax_lambda ELBO(x; lambda),      amortization gap = ELBO(x; lambda_x) - ELBO(x; h(x)) >= 0

by Adam on each row's numbers lambda alone, with gradients by draws. Rows share network calls but no step size and no
norm, so a row's posterior does not depend on its batch-mates. The rate falls to zero so that the noise settles.

References:
    | Black Box Variational Inference (Ranganath et al., 2013), https://arxiv.org/abs/1401.0118
    | Inference Suboptimality in Variational Autoencoders (Cremer et al., 2018), https://arxiv.org/abs/1801.03558
    | Adam: A Method for Stochastic Optimization (Kingma & Ba, 2014), https://arxiv.org/abs/1412.6980
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from models.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

RATE, BETAS, EPSILON = 0.1, (0.9, 0.99), 1e-8


def refine(elbo: Callable[[Tensor, int], Tensor], h: Tensor, steps: int) -> Tensor:
    """Where `steps` steps from h lead, (B, P). Gradients must be on.

    Arguments:
        elbo: an estimate for each row, (B,), of its numbers, (B, P), at a step.
        h: where each row starts, (B, P).
    """
    mean, square = torch.zeros_like(h), torch.zeros_like(h)
    for step in range(steps):
        h = h.detach().requires_grad_()
        (g,) = torch.autograd.grad(elbo(h, step).sum(), h)
        mean = BETAS[0] * mean + (1 - BETAS[0]) * g
        square = BETAS[1] * square + (1 - BETAS[1]) * g**2
        direction = mean / (1 - BETAS[0] ** (step + 1))
        size = (square / (1 - BETAS[1] ** (step + 1))).sqrt() + EPSILON
        h = h + RATE * (1 - step / steps) * direction / size
    return h.detach()
