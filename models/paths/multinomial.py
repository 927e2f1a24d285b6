r"""How choices dissolve in noise: multinomial diffusion.

A choice k of K cases keeps its case over a level or is drawn anew, evenly from all cases. With alpha_bar_t from a
schedule of `models.paths.schedules`, alpha_bar_t = sigmoid(lambda_t), and alpha = alpha_bar_t / alpha_bar_s for two
levels s < t, whichever they are,

    q(k_t | k_s)      = alpha [k_t = k_s] + (1 - alpha) / K
    q(k_t | k_0)      = alpha_bar_t [k_t = k_0] + (1 - alpha_bar_t) / K
    q(k_s | k_t, k_0) ~ (alpha [k_s = k_t] + (1 - alpha) / K) (alpha_bar_s [k_s = k_0] + (1 - alpha_bar_s) / K)

The reverse process has the distribution P of a network in the place of [k_s = k_0]. So it is right where P is that of
k_0 given all that is known besides k_t itself: for a single choice its frequencies, at every level.

Choices stand side by side in a row, (B, sum of sizes), a block for each; levels are float64.

References:
    | Argmax Flows and Multinomial Diffusion (Hoogeboom et al., 2021), https://arxiv.org/abs/2102.05379
    | TabDDPM: Modelling Tabular Data with Diffusion Models (Kotelnikov et al., 2022), https://arxiv.org/abs/2209.15421
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pushforward.models.lazy import torch
from pushforward.models.tables.choices import blocks

if TYPE_CHECKING:
    from torch import Tensor

LEAST = 1e-300  # of a probability that has a logarithm


def noisy(hot: Tensor, alpha_bar: Tensor, sizes: Sequence[int]) -> Tensor:
    """Log q(k_t | k_0), (B, sum of sizes) float64.  hot: one-hot k_0; alpha_bar: (B,), of level t."""
    kept = alpha_bar[:, None]
    parts = [kept * block + (1 - kept) / block.shape[1] for block in blocks(hot.double(), sizes)]
    return _side_by_side(parts, hot).clamp_min(LEAST).log()


def posterior(hot: Tensor, p: Tensor, later: Tensor, earlier: Tensor, sizes: Sequence[int]) -> Tensor:
    """Probabilities q(k_s | k_t, k_0), (B, sum of sizes) float64.

    Arguments:
        hot: (B, sum of sizes), one-hot k_t.
        p: (B, sum of sizes), the distribution of k_0: one-hot, or what a network makes of k_t.
        later, earlier: (B,), alpha_bar of level t and of level s; 1 for the data.
    """
    at_s, over = earlier[:, None], (later / earlier)[:, None]
    parts = []
    for seen, clean in zip(blocks(hot.double(), sizes), blocks(p.double(), sizes), strict=True):
        n = seen.shape[1]
        joint = (over * seen + (1 - over) / n) * (at_s * clean + (1 - at_s) / n)
        parts.append(joint / joint.sum(1, keepdim=True).clamp_min(LEAST))
    return _side_by_side(parts, hot)


def divergence(q: Tensor, p: Tensor, sizes: Sequence[int]) -> Tensor:
    """KL(q || p) of each choice, (B, Q) nats.  q, p: probabilities, (B, sum of sizes)."""
    each = torch.xlogy(q, q) - q * p.clamp_min(LEAST).log()
    parts = [block.sum(1, keepdim=True) for block in blocks(each, sizes)]
    return torch.cat(parts, 1) if parts else q.new_zeros(len(q), 0)


def distribution(logits: Tensor, sizes: Sequence[int]) -> Tensor:
    """The softmax of each block, (B, sum of sizes) float64."""
    return _side_by_side([block.double().softmax(1) for block in blocks(logits, sizes)], logits)


def uniform(like: Tensor, sizes: Sequence[int]) -> Tensor:
    """The even distribution of each choice, (B, sum of sizes) float64."""
    even = [torch.full_like(block, 1 / block.shape[1], dtype=torch.float64) for block in blocks(like, sizes)]
    return _side_by_side(even, like)


def _side_by_side(parts: list[Tensor], like: Tensor) -> Tensor:
    return torch.cat(parts, 1) if parts else like.new_zeros(len(like), 0, dtype=torch.float64)
