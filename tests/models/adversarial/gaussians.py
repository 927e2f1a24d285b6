"""Two Gaussians as batches whose means are integrals."""

import torch
from torch import Tensor


def normal_batch(n: int = 2_000_000) -> Tensor:
    """N(0, 1) as the midpoints of n equally probable cells: a batch whose mean is an integral, (n, 1)."""
    return torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)[:, None]


def best_scores(theta: float, x: Tensor) -> Tensor:
    """The logit of D* = p / (p + q), log p - log q, for p = N(0, 1) and q = N(theta, 1)."""
    return 0.5 * theta**2 - theta * x


def some(*shape: int, seed: int) -> Tensor:
    """Normal numbers, float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
