"""Times of a batch that cover their range evenly: less noise in a loss than independent ones have.

References:
    | Variational Diffusion Models (Kingma et al., 2021), https://arxiv.org/abs/2107.00630
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pushforward.models.lazy import torch

if TYPE_CHECKING:
    from torch import Generator, Tensor


def stratified_uniform(n: int, rng: Generator) -> Tensor:
    """Times in (0, 1), (n,), each uniform: one uniform number shifts an even grid."""
    grid = torch.arange(n, device=rng.device)
    return (grid + torch.rand(1, generator=rng, device=rng.device)) / n
