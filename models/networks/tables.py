"""Tables with a code for each training row: learned codes (GLO), and transport onto stored codes (AE-OT).

References:
    | Optimizing the Latent Space of Generative Networks (Bojanowski et al., 2018), arXiv:1707.05776: codes in a ball
    | AE-OT: A New Generative Model Based on Extended Semi-discrete Optimal Transport (An et al., 2020), ICLR
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

from pushforward.models.geometry import semidiscrete
from pushforward.models.geometry.distances import project_to_unit_ball

if TYPE_CHECKING:
    from jaxtyping import Float, Int

DECAY = 0.98  # at each step, of the weights that earlier draws have in a cell's center
HEIGHT_SCALE = 4.0  # heights take steps larger by this factor than weights, at one learning rate


@final
class CodeTable(nn.Module):
    """A learned code of each row, in the unit ball: rows, (B,) int64, to z, (B, Z)."""

    def __init__(self, n_rows: int, latent: int) -> None:
        super().__init__()
        self.free = nn.Parameter(torch.randn(n_rows, latent) / latent**0.5)

    def forward(self, row: Int[Tensor, " B"]) -> Float[Tensor, "B Z"]:
        return project_to_unit_ball(self.free[row])


@final
class SemiDiscreteTransport(nn.Module):
    """Noise to codes, (B, Z) both, by the extended optimal transport of N(0, I) onto the stored codes.

    The targets are y = (z - mean) / std, by coordinate. Heights are learned as differences to those of nearest
    neighbors, h_i = -|y_i|^2 / 2 + delta_i. The center of a cell is a decaying mean of the draws that fell into it; of
    an empty cell, its point. Rows without a code yet are no targets; before the first code is stored, all rows are
    targets, at 0.
    """

    codes: Tensor
    seen: Tensor
    sums: Tensor
    counts: Tensor

    def __init__(self, n_rows: int, latent: int, *, neighbors: int, widest: float) -> None:
        super().__init__()
        self.neighbors, self.widest = min(neighbors, n_rows), widest
        self.offsets = nn.Parameter(torch.zeros(n_rows))  # delta / HEIGHT_SCALE
        self.register_buffer("codes", torch.zeros(n_rows, latent))
        self.register_buffer("seen", torch.zeros(n_rows, dtype=torch.bool))
        self.register_buffer("sums", torch.zeros(n_rows, latent))
        self.register_buffer("counts", torch.zeros(n_rows))

    def forward(self, noise: Float[Tensor, "B Z"]) -> Float[Tensor, "B Z"]:
        mean, std = self._moments()
        y = (self.codes - mean) / std
        count = self.counts[:, None]
        centers = torch.where(count > 0, self.sums / count.clamp_min(1e-12), y)
        return semidiscrete.extension(noise, y, centers, self._known(), self.neighbors, self.widest) * std + mean

    def points(self) -> Float[Tensor, "N Z"]:
        """The targets y."""
        mean, std = self._moments()
        return (self.codes - mean) / std

    def heights(self, y: Float[Tensor, "N Z"]) -> Float[Tensor, " N"]:
        """The heights h, -inf where there is no code.  y: `points`."""
        return (HEIGHT_SCALE * self.offsets - 0.5 * y.square().sum(1)).masked_fill(~self._known(), -torch.inf)

    @torch.no_grad()
    def store_codes(self, row: Int[Tensor, " B"], z: Float[Tensor, "B Z"]) -> None:
        """Store the codes of some rows."""
        self.codes[row] = z.detach()
        self.seen[row] = True

    @torch.no_grad()
    def update_centers(self, x: Float[Tensor, "B Z"], i: Int[Tensor, " B"]) -> None:
        """Update the centers with draws x and the cells i they fell into."""
        self.sums.mul_(DECAY).index_add_(0, i, x)
        self.counts.mul_(DECAY).add_(torch.bincount(i, minlength=len(self.counts)))

    def _known(self) -> Tensor:
        """Which rows are targets, (N,)."""
        return self.seen | ~self.seen.any()

    def _moments(self) -> tuple[Tensor, Tensor]:
        known = self._known().to(self.codes)
        share = known / known.sum()
        mean = share @ self.codes
        return mean, (share @ (self.codes - mean).square()).sqrt().clamp_min(1e-6)
