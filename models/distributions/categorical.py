r"""Categorical codes: exact samples, relaxed (Concrete) samples, and the KL divergence from uniform codes.

With logits phi, probabilities pi = exp(phi) / Z and g_k = -log(-log u_k), u_k ~ U(0, 1) (Gumbel noise),

    argmax_k (phi_k + g_k) ~ Cat(pi),        max_k (phi_k + g_k) ~ Gumbel with mean log Z + 0.5772...,
    y = softmax((phi + g) / tau),            one-hot as tau -> 0,

    log p(y) = log Gamma(K) + (K - 1) log tau - K log sum_k pi_k y_k^-tau + sum_k [log pi_k - (tau + 1) log y_k]

on the simplex (the Concrete density), and

    KL(Cat(pi) || uniform) = log K + sum_k pi_k log pi_k.

Example:
    >>> import torch
    >>> from pushforward.models.distributions.categorical import hard_codes, kl_to_uniform_nats
    >>> hard_codes(torch.tensor([[0.1, 2.0, 0.3]]))
    tensor([[0., 1., 0.]])
    >>> kl_to_uniform_nats(torch.tensor([[[0.75, 0.25]]]).log())
    tensor([0.1308])

References:
    | Categorical Reparameterization with Gumbel-Softmax (Jang et al., 2016), https://arxiv.org/abs/1611.01144
    | The Concrete Distribution (Maddison et al., 2016), https://arxiv.org/abs/1611.00712
    | Lost Relatives of the Gumbel Trick (Balog et al., 2017), https://arxiv.org/abs/1706.04161
"""

from __future__ import annotations

from math import lgamma, log
from typing import TYPE_CHECKING

from pushforward.models.lazy import F, torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Generator, Tensor


def gumbel(u01: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Gumbel noise from uniforms in (0, 1)."""
    return -torch.log(-torch.log(u01))


def gumbel_like(phi: Float[Tensor, "*shape"], rng: Generator) -> Float[Tensor, "*shape"]:
    """Gumbel noise like phi: minus the logarithm of exponentials, which are never zero."""
    return -torch.log(torch.empty_like(phi).exponential_(generator=rng))


def hard_codes(scores: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The one-hot argmax over the last axis, in the type of `scores`."""
    return F.one_hot(scores.argmax(-1), scores.shape[-1]).to(scores)


def relaxed_codes(scores: Float[Tensor, "*shape"], tau: float) -> Float[Tensor, "*shape"]:
    """Softmax of scores / tau over the last axis: draws of the Concrete distribution where scores = phi + g."""
    return (scores / tau).softmax(-1)


def log_concrete_density(
    y: Float[Tensor, "*shape K"], log_pi: Float[Tensor, "*shape K"], tau: float
) -> Float[Tensor, "*shape"]:
    """The log-density of relaxed codes on the simplex, nats."""
    k, log_y = y.shape[-1], y.log()
    log_normalizer = torch.logsumexp(log_pi - tau * log_y, -1)
    per_category = (log_pi - (tau + 1) * log_y).sum(-1)
    return lgamma(k) + (k - 1) * log(tau) - k * log_normalizer + per_category


def kl_to_uniform_nats(log_pi: Float[Tensor, "B N K"]) -> Float[Tensor, " B"]:
    """KL of a row's N codes to uniform codes."""
    codes, k = log_pi.shape[1:]
    return codes * log(k) + (log_pi.exp() * log_pi).sum((1, 2))
