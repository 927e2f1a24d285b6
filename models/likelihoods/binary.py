r"""Binary elements: on with probability s = sigmoid(y), counted once or N times.

    bernoulli:  b = (x - low) / (high - low),  log p = sum_i b_i log s_i + (1 - b_i) log(1 - s_i)
    binomial:   n = (x - low) / w,  N = levels - 1,
                log p = sum_i log C(N, n_i) + n_i log s_i + (N - n_i) log(1 - s_i)

`bernoulli` takes gray values as the probabilities of a stochastic binarization of the image. Its value is a
log-probability, without a Jacobian, and an ELBO with it is a lower bound of the expected log-likelihood of the
binarized image (Salakhutdinov & Murray, 2008). For data with two levels it is the log-probability of the data. Samples
are black and white in either case; the mean is gray.

Where a gray value is a count, as in scikit-learn's digits (ink in blocks of 4x4 dots), `binomial` gives the
probability of the level itself.

References:
    | Auto-Encoding Variational Bayes (Kingma & Welling, 2013), https://arxiv.org/abs/1312.6114
    | On the quantitative analysis of deep belief networks (Salakhutdinov & Murray, 2008), doi:10.1145/1390156.1390266
"""

from __future__ import annotations

from math import ceil, lgamma
from typing import TYPE_CHECKING, Literal, final

from pushforward.models.errors import InvalidData
from pushforward.models.lazy import F, torch
from pushforward.models.likelihoods.base import ConditionalLikelihood, check_levels, level_count, refuse_counts
from pushforward.models.spec.data_spec import DataSpec

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from pushforward.models.noise import Noise


@final
class Bernoulli(ConditionalLikelihood):
    """Each element is on or off with the probability its gray value says; for bounded data. Draws: black and white."""

    likelihood: Literal["bernoulli"] = "bernoulli"

    def check(self, spec: DataSpec) -> None:
        refuse_counts(spec, self.likelihood)
        if spec.low is None:
            raise InvalidData(
                'bernoulli needs data with bounds, these have none; use {"likelihood": "gaussian"}, or give the data '
                "low and high",
                field="run.family.likelihood",
            )

    def scores_only_levels(self, spec: DataSpec) -> bool:
        return spec.levels == 2  # of more, the number is of the binarized image

    def scores_rows(self, spec: DataSpec) -> bool:
        return spec.levels == 2  # otherwise it scores the binarized image

    def log_prob(
        self, spec: DataSpec, x: Float[Tensor, " B *shape"], y: Float[Tensor, " B *params"], log_scale: Tensor
    ) -> Float[Tensor, " B"]:
        b = spec.to_fraction(x)
        return -F.binary_cross_entropy_with_logits(y, b, reduction="none").flatten(1).sum(1)

    def mean(self, spec: DataSpec, y: Float[Tensor, " B *params"]) -> Float[Tensor, " B *shape"]:
        return spec.from_fraction(torch.sigmoid(y))

    def draw(
        self, spec: DataSpec, y: Float[Tensor, " B *params"], log_scale: Tensor, noise: Noise
    ) -> Float[Tensor, " B *shape"]:
        return spec.from_fraction((noise.uniform(1, spec.shape) < torch.sigmoid(y)).to(y))


@final
class Binomial(ConditionalLikelihood):
    """Each element counts its heads in as many tosses as there are steps between levels; for data with levels."""

    likelihood: Literal["binomial"] = "binomial"

    def check(self, spec: DataSpec) -> None:
        check_levels(spec, self.likelihood)

    def scores_only_levels(self, spec: DataSpec) -> bool:
        return True

    def log_prob(
        self, spec: DataSpec, x: Float[Tensor, " B *shape"], y: Float[Tensor, " B *params"], log_scale: Tensor
    ) -> Float[Tensor, " B"]:
        tosses = level_count(spec) - 1
        n = spec.to_level(x).to(y)
        log_ways = lgamma(tosses + 1) - torch.lgamma(n + 1) - torch.lgamma(tosses - n + 1)
        cross_entropy = F.binary_cross_entropy_with_logits(y, n / tosses, reduction="none")
        return (log_ways - tosses * cross_entropy).flatten(1).sum(1)

    def mean(self, spec: DataSpec, y: Float[Tensor, " B *params"]) -> Float[Tensor, " B *shape"]:
        return spec.from_fraction(torch.sigmoid(y))

    def draw(
        self, spec: DataSpec, y: Float[Tensor, " B *params"], log_scale: Tensor, noise: Noise
    ) -> Float[Tensor, " B *shape"]:
        """Inversion: count the levels whose cumulative probability is below u, from 8 deviations below the mean.

        The number of levels examined grows as the root of the tosses: 2,080 of 65,536.
        """
        tosses, y = level_count(spec) - 1, y.double()
        half = ceil(4 * tosses**0.5) + 16
        k = (tosses * y.sigmoid() - half).round().clamp(0, max(0, tosses - 2 * half))
        log_ways = lgamma(tosses + 1) - torch.lgamma(k + 1) - torch.lgamma(tosses - k + 1)
        log_p = log_ways + k * F.logsigmoid(y) + (tosses - k) * F.logsigmoid(-y)
        u, cdf, n = noise.uniform(1, spec.shape), torch.zeros_like(y), k
        for _ in range(min(tosses, 2 * half)):
            cdf = cdf + log_p.exp()
            n = n + (u > cdf)
            log_p, k = log_p + y + ((tosses - k) / (k + 1)).log(), k + 1
        return spec.from_level(n.to(u.dtype))
