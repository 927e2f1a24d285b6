r"""Noise carried onto the codes of training rows, while these are learned: what AE-OT and AE-OT-GAN share.

Each step stores the codes of its rows and descends the energy of semi-discrete transport (`geometry.semidiscrete`),

    E(h) = E_{x ~ N(0, I)} max_i (<x, y_i> + h_i) - (1/n) sum_i h_i,

on fresh draws of noise. At its minimum each of the n cells has the mass 1/n.

References:
    | AE-OT: A New Generative Model Based on Extended Semi-discrete Optimal Transport (An et al., 2020), ICLR
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pushforward.models.geometry import semidiscrete
from pushforward.models.lazy import torch
from pushforward.models.losses import Batch, Loss

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.networks.tables import SemiDiscreteTransport
    from pushforward.models.noise import Noise

DRAWS_OF_A_CELL = 32  # by `cell_mass_error`, on average
PAIRS = 2_000_000_000  # of draws and codes, by `cell_mass_error` at most: some seconds of one core
PAIRS_AT_ONCE = 2_000_000  # bounds its memory


def semi_discrete(nets: Nets) -> SemiDiscreteTransport:
    """The transport from noise to codes, among a family's networks."""
    return cast("SemiDiscreteTransport", nets["transport"])


def transport_loss(nets: Nets, z: Tensor, draws: int, batch: Batch) -> Loss:
    """The energy E(h), of so many draws, when the codes z of the batch, (B, Z), are stored."""
    push = semi_discrete(nets)
    push.store_codes(batch.row, z)
    x = torch.randn(draws, z.shape[1], generator=batch.rng, device=z.device, dtype=z.dtype)
    y = push.points()
    h = push.heights(y)
    i = semidiscrete.cells(x, y, h.detach())
    push.update_centers(x, i)
    return Loss("transport_energy", semidiscrete.energy(x, y, h, i), ("transport",))


def cell_mass_error(nets: Nets, noise: Noise) -> float:
    """The distance of cell masses from 1/n: root mean square of n mu(W_i) - 1, without the noise of the draws."""
    push = semi_discrete(nets)
    y = push.points()
    h = push.heights(y)
    there = h.isfinite()
    n = int(there.sum())
    hits = _hits(y, h, noise, max(1, min(n * DRAWS_OF_A_CELL, PAIRS // len(y))))[there]
    total = float(hits.sum())
    excess = (hits * n / total - 1).square().mean() - n / total
    return float(excess.clamp_min(0).sqrt())


def _hits(y: Tensor, h: Tensor, noise: Noise, draws: int) -> Tensor:
    """How many draws fell into each cell, (n,), of at least `draws`: equally many from each row of noise."""
    noise = noise[:draws]
    hits, at_once = torch.zeros(len(y), device=y.device), max(1, PAIRS_AT_ONCE // len(y))
    for k in range(-(-draws // len(noise))):
        for x in torch.split(noise.normal(k, (y.shape[1],)).to(y), at_once):
            hits += torch.bincount(semidiscrete.cells(x, y, h), minlength=len(y))
    return hits
