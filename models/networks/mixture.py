r"""A mixture of Gaussians with full covariances, sum_k w_k N(mu_k, L_k L_k^T), learned by gradients.

Given a condition c it is moved and stretched, with m and s linear in c and zero at the start:

    z = m(c) + exp(s(c)) e,   e ~ sum_k w_k N(mu_k, L_k L_k^T),      log p(z|c) = log p(e) - sum_d s_d(c).

So each label has its own mean and its own scale in each dimension, and all share the shape.
"""

from __future__ import annotations

from math import log, pi
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from jaxtyping import Float


@final
class GaussianMixture(nn.Module):
    """`components` Gaussians of `size` dimensions, given a condition of `condition_size`; `forward` samples."""

    def __init__(self, components: int, size: int, condition_size: int = 0) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(components))
        self.mean = nn.Parameter(torch.randn(components, size))
        self.log_diagonal = nn.Parameter(torch.zeros(components, size))
        self.below = nn.Parameter(torch.zeros(components, size, size))  # of L, under its diagonal
        self.given = nn.Linear(condition_size, 2 * size, bias=False) if condition_size else None
        if self.given is not None:
            nn.init.zeros_(self.given.weight)

    def forward(
        self, eps: Float[Tensor, "B Z"], u01: Float[Tensor, "B 1"], c: Float[Tensor, "B C"]
    ) -> Float[Tensor, "B Z"]:
        """Samples, from standard normals eps and uniforms u01."""
        k = (u01 > self.logits.softmax(0).cumsum(0)[:-1]).sum(1)  # (B,)
        scale, drawn = self.cholesky(), torch.empty_like(eps)
        for j in set(k.tolist()):  # an L for each row would take most of the memory
            drawn[k == j] = self.mean[j] + eps[k == j] @ scale[j].T
        if self.given is None:
            return drawn
        m, s = self.given(c).chunk(2, dim=1)
        z: Tensor = m + s.exp() * drawn
        return z

    def cholesky(self) -> Float[Tensor, "K Z Z"]:
        """L of each component."""
        return self.below.tril(-1) + self.log_diagonal.exp().diag_embed()

    def log_prob(self, z: Float[Tensor, "B Z"], c: Float[Tensor, "B C"]) -> Float[Tensor, " B"]:
        """The log-density, nats."""
        if self.given is None:
            return self._log_prob(z)
        m, s = self.given(c).chunk(2, dim=1)
        log_p: Tensor = self._log_prob((z - m) * (-s).exp()) - s.sum(1)
        return log_p

    def _log_prob(self, z: Float[Tensor, "B Z"]) -> Float[Tensor, " B"]:
        away = (z[:, None] - self.mean).transpose(0, 1).transpose(1, 2)  # (K, size, B)
        standard = torch.linalg.solve_triangular(self.cholesky(), away, upper=False)
        log_volume = self.log_diagonal.sum(1) + 0.5 * z.shape[1] * log(2 * pi)  # (K,)
        each = -0.5 * (standard**2).sum(1) - log_volume[:, None] + self.logits.log_softmax(0)[:, None]  # (K, B)
        log_p: Tensor = each.logsumexp(0)
        return log_p
