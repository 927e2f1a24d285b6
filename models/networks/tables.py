"""What is kept of each training row: codes that are learned, codes that are remembered.

References:
    | Optimizing the Latent Space of Generative Networks (Bojanowski et al., 2018), arXiv:1707.05776: codes in a ball
    | AE-OT: A New Generative Model Based on Extended Semi-discrete Optimal Transport (An et al., 2020), ICLR
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

from pushforward.models.geometry import semidiscrete as transport
from pushforward.models.geometry.distances import in_ball

if TYPE_CHECKING:
    from jaxtyping import Float, Int

MEMORY = 0.98  # of a cell's center: the share of a step's draws that is left a step later
STRIDE = 4.0  # heights move so much faster than weights do at one learning rate


@final
class Codes(nn.Module):
    """A learned code of each row, in the unit ball: rows, (B,) int64, to z, (B, Z)."""

    def __init__(self, n_rows: int, latent: int) -> None:
        super().__init__()
        self.free = nn.Parameter(torch.randn(n_rows, latent) / latent**0.5)

    def forward(self, row: Int[Tensor, " B"]) -> Float[Tensor, "B Z"]:
        return in_ball(self.free[row])


@final
class SemiDiscrete(nn.Module):
    """Noise, (B, Z), to codes, (B, Z), by the extended optimal transport of N(0, I) onto the remembered codes.

    Codes are transported as y = (z - mean) / std, by coordinate. Heights are told from those of nearest neighbors,
    h_i = -|y_i|^2 / 2 + delta_i. The center of a cell is the mean of the draws that fell into it, older ones forgotten
    by and by; of a cell that none fell into, its point. Rows not seen yet have no code, and nothing goes there; before
    the first is seen, all count, at 0.
    """

    codes: Tensor
    seen: Tensor
    sums: Tensor
    counts: Tensor

    def __init__(self, n_rows: int, latent: int, *, neighbors: int, widest: float) -> None:
        super().__init__()
        self.neighbors, self.widest = min(neighbors, n_rows), widest
        self.offsets = nn.Parameter(torch.zeros(n_rows))  # delta / STRIDE
        self.register_buffer("codes", torch.zeros(n_rows, latent))
        self.register_buffer("seen", torch.zeros(n_rows, dtype=torch.bool))
        self.register_buffer("sums", torch.zeros(n_rows, latent))
        self.register_buffer("counts", torch.zeros(n_rows))

    def forward(self, noise: Float[Tensor, "B Z"]) -> Float[Tensor, "B Z"]:
        mean, std = self._moments()
        y = (self.codes - mean) / std
        count = self.counts[:, None]
        centers = torch.where(count > 0, self.sums / count.clamp_min(1e-12), y)
        return transport.extension(noise, y, centers, self._known(), self.neighbors, self.widest) * std + mean

    def points(self) -> Float[Tensor, "N Z"]:
        """Y, (n, Z)."""
        mean, std = self._moments()
        return (self.codes - mean) / std

    def heights(self, y: Float[Tensor, "N Z"]) -> Float[Tensor, " N"]:
        """H, (n,), -inf where there is no code.  y: `points`."""
        return (STRIDE * self.offsets - 0.5 * y.square().sum(1)).masked_fill(~self._known(), -torch.inf)

    @torch.no_grad()
    def remember(self, row: Int[Tensor, " B"], z: Float[Tensor, "B Z"]) -> None:
        """The codes of some rows.  row: (B,) int64, z: (B, Z)."""
        self.codes[row] = z.detach()
        self.seen[row] = True

    @torch.no_grad()
    def collect(self, x: Float[Tensor, "B Z"], i: Int[Tensor, " B"]) -> None:
        """Draws and the cells they fell into.  x: (B, Z), i: (B,) int64."""
        self.sums.mul_(MEMORY).index_add_(0, i, x)
        self.counts.mul_(MEMORY).add_(torch.bincount(i, minlength=len(self.counts)))

    def _known(self) -> Tensor:
        """Which codes count, (n,)."""
        return self.seen | ~self.seen.any()

    def _moments(self) -> tuple[Tensor, Tensor]:
        known = self._known().to(self.codes)
        share = known / known.sum()
        mean = share @ self.codes
        return mean, (share @ (self.codes - mean).square()).sqrt().clamp_min(1e-6)
