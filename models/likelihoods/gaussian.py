r"""A normal distribution around the decoder's output.

    u = normalize(x),      log p = log N(u; mu, diag sigma^2) + log |du/dx|

sigma is one number, given or learned, or one for each element, which the decoder computes: (mu, log sigma) = y. With a
sigma for each element the likelihood is unbounded: where mu meets a data point, the density grows without limit as
sigma -> 0. So log sigma is kept above -6 (Mattei & Frellsen, 2018).

For data with levels, log p is the log-probability of the level, that is, of its bin under the normal distribution
(`models.distributions.normal_bins`), and a sample is rounded to its level. The outermost bins are open, so mu may lie
outside the range. `mean` is mu clipped to the range: the median of a sample before rounding.

References:
    | Auto-Encoding Variational Bayes (Kingma & Welling, 2013), https://arxiv.org/abs/1312.6114
    | Leveraging the Exact Likelihood of Deep Latent Variable Models (Mattei & Frellsen, 2018), arXiv:1802.04826
"""

from __future__ import annotations

from math import log, pi
from typing import TYPE_CHECKING, Literal, final

from pydantic import PositiveFloat

from pushforward.models.distributions.normal_bins import log_probability
from pushforward.models.lazy import torch
from pushforward.models.likelihoods.base import ConditionalLikelihood, level_count, refuse_counts
from pushforward.models.spec.data_spec import DataSpec

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from pushforward.models.noise import Noise

LOG_SCALE_RANGE = (-6.0, 3.0)  # where each element has its own


@final
class Gaussian(ConditionalLikelihood):
    """Gaussian noise, its standard deviation in network units (data have about unit variance, or lie in [-1, 1])."""

    likelihood: Literal["gaussian"] = "gaussian"
    scale: PositiveFloat | Literal["learned", "per_element"] = "learned"
    """Standard deviation: a number, one learned for all elements, or one for each element."""

    @property
    def learns_scale(self) -> bool:
        return self.scale == "learned"

    @property
    def initial_log_scale(self) -> float:
        return log(self.scale) if isinstance(self.scale, float) else super().initial_log_scale

    def check(self, spec: DataSpec) -> None:
        refuse_counts(spec, self.likelihood)

    def params_per_element(self, spec: DataSpec) -> int:
        return 2 if self.scale == "per_element" else 1

    def scores_only_levels(self, spec: DataSpec) -> bool:
        return spec.levels is not None

    def log_prob(
        self, spec: DataSpec, x: Float[Tensor, " B *shape"], y: Float[Tensor, " B *params"], log_scale: Tensor
    ) -> Float[Tensor, " B"]:
        mu, log_scale = self._read(y, log_scale)
        standard = (spec.normalize(x) - mu) * (-log_scale).exp()
        if spec.levels is not None:
            return self._log_level(spec, x, standard, log_scale).flatten(1).sum(1)
        per_element = -0.5 * standard**2 - log_scale - 0.5 * log(2 * pi)
        return per_element.flatten(1).sum(1).double() + spec.log_jacobian

    def mean(self, spec: DataSpec, y: Float[Tensor, " B *params"]) -> Float[Tensor, " B *shape"]:
        mu = spec.denormalize(self._read(y, y)[0])
        return mu if spec.levels is None else spec.clip(mu)

    def draw(
        self, spec: DataSpec, y: Float[Tensor, " B *params"], log_scale: Tensor, noise: Noise
    ) -> Float[Tensor, " B *shape"]:
        mu, log_scale = self._read(y, log_scale)
        return spec.quantize(spec.denormalize(mu + log_scale.exp() * noise.normal(1, spec.shape)))

    def _log_level(self, spec: DataSpec, x: Tensor, standard: Tensor, log_scale: Tensor) -> Tensor:
        """The log-probability of each element's level, (B, *shape)."""
        half = torch.from_numpy(spec.bin_width / 2 / spec.along_axes(spec.scale)).to(standard) * (-log_scale).exp()
        level = spec.to_level(x)
        return log_probability(standard, half, level <= 0, level >= level_count(spec) - 1)

    def _read(self, y: Tensor, log_scale: Tensor) -> tuple[Tensor, Tensor]:
        """Mu, (B, *shape), and log sigma."""
        if self.scale != "per_element":
            return y, log_scale
        mu, raw = y.chunk(2, dim=1)
        return mu, (raw + self.initial_log_scale).clamp(*LOG_SCALE_RANGE)
