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
from models.objectives import row_adam

if TYPE_CHECKING:
    from torch import Tensor


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
        change, mean, square = row_adam.step(g, mean, square, step, steps)
        h = h + change
    return h.detach()
