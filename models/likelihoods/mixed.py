r"""The likelihood of a table's rows, numbers and choices side by side.

    log p(v|y) = sum_j present_j log N(u_j; mu_j, sigma_j^2) + sum_i log softmax(l_i)[k_i],      y = (mu, l)

with one learned sigma_j for each column, kept above `LEAST_SCALE`: a density at a point has no bound. A number on a
grid has the probability of its grid cell under the normal distribution, exactly (`models.distributions.normal_bins`);
the first and the last cell are open.

References:
    | Modeling Tabular Data using Conditional GAN (Xu et al., 2019), https://arxiv.org/abs/1907.00503: section 4.4, TVAE
"""

from __future__ import annotations

from math import log, pi
from typing import TYPE_CHECKING, Literal, final

from pushforward.models.distributions.normal_bins import log_probability
from pushforward.models.lazy import torch
from pushforward.models.likelihoods.base import ConditionalLikelihood
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.tables import choices
from pushforward.models.tables.coding import coder
from pushforward.models.tables.table import Table

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from pushforward.models.noise import Noise

LEAST_SCALE = 0.01  # of a column's sigma, network units


@final
class Mixed(ConditionalLikelihood):
    """Of rows v = (u, one-hot k), (B, W), of one table, as `models.tables.coding` makes them."""

    likelihood: Literal["mixed"] = "mixed"
    table: Table
    """The table."""

    @property
    def learns_scale(self) -> bool:
        return True

    def scale_shape(self, spec: DataSpec) -> Shape:
        return (len(self.table.numbers),)

    def check(self, spec: DataSpec) -> None:
        return

    def scores_only_levels(self, spec: DataSpec) -> bool:
        return False

    def log_prob(
        self, spec: DataSpec, x: Float[Tensor, " B *shape"], y: Float[Tensor, " B *params"], log_scale: Tensor
    ) -> Float[Tensor, " B"]:
        terms = torch.cat(self.terms(x, y, log_scale), 1)
        return terms.sum(1)

    def terms(self, v: Tensor, y: Tensor, log_scale: Tensor) -> tuple[Tensor, Tensor]:
        """Log p of each number, (B, P), in network units or of its grid cell, and of each choice, (B, Q), nats."""
        u, hot = self._parts(v)
        mu, logits = self._parts(y)
        log_sigma = log_scale.clamp_min(log(LEAST_SCALE))
        coding = coder(self.table, v.device)
        k = choices.likeliest(hot, self.table.sizes)
        standard = (u - mu) * (-log_sigma).exp()
        of_numbers = -0.5 * standard**2 - log_sigma - 0.5 * log(2 * pi)
        if self.table.has_steps:
            center, half, first, last = coding.grid_cell(u)
            of_cell = log_probability((center - mu) * (-log_sigma).exp(), half * (-log_sigma).exp(), first, last)
            of_numbers = torch.where(coding.step > 0, of_cell, of_numbers)
        of_numbers = torch.where(coding.present(k), of_numbers, 0.0)
        return of_numbers.double(), choices.log_probs(logits, k, self.table.sizes).double()

    def mean(self, spec: DataSpec, y: Float[Tensor, " B *params"]) -> Float[Tensor, " B *shape"]:
        mu, logits = self._parts(y)
        return self._row(mu, choices.likeliest(logits, self.table.sizes))

    def draw(
        self, spec: DataSpec, y: Float[Tensor, " B *params"], log_scale: Tensor, noise: Noise
    ) -> Float[Tensor, " B *shape"]:
        mu, logits = self._parts(y)
        sigma = log_scale.clamp_min(log(LEAST_SCALE)).exp()
        k = choices.draw(logits, noise.uniform(2, (len(self.table.sizes),)), self.table.sizes)
        return self._row(mu + sigma * noise.normal(1, (len(self.table.numbers),)), k)

    def _row(self, u: Tensor, k: Tensor) -> Tensor:
        coding = coder(self.table, u.device)
        return torch.cat([torch.where(coding.present(k), u, 0.0), coding.one_hot(k).to(u.dtype)], 1)

    def _parts(self, row: Tensor) -> tuple[Tensor, Tensor]:
        p = len(self.table.numbers)
        return row[:, :p], row[:, p:]
