r"""Counts: whole numbers from 0, of a mean that the decoder gives.

    poisson             log p = sum_i k_i log mu_i - mu_i - log k_i!
    negative_binomial   of the same mean, and the variance mu_i + a_i mu_i^2 (`models.distributions.counts`)

    log mu_i = min(log m_i + y_i, log 2^24),      m_i about the mean of the element in the data

so that networks begin near the data, whether they count to one or to a million. The encoder sees log(1 + x)
(`models.spec.units`), as those of scVI and DCA do.

Counts of words, clicks and molecules vary more than a Poisson of any mean lets them: events come in bursts. The
dispersion a_i says how much more. It is a number for each element, learned with the weights and the same in all rows,
as is scVI's choice for each gene (Lopez et al., 2018; DCA, Eraslan et al., 2019, offers it beside one from the
decoder): which words come in bursts is a trait of the word. A dispersion of each row and element would leave little
that the codes have to explain. It stays within [exp(-16), exp(5)]; at the lower end it is a Poisson.

References:
    | Deep Generative Modeling for Single-cell Transcriptomics (Lopez et al., 2018), https://arxiv.org/abs/1709.02082
    | Single-cell RNA-seq denoising using a deep count autoencoder (Eraslan et al., 2019),
    | doi:10.1038/s41467-018-07931-2
"""

from __future__ import annotations

from abc import abstractmethod
from math import log
from typing import TYPE_CHECKING, Literal, final

from pushforward.models.distributions.counts import (
    negative_binomial_draw,
    negative_binomial_log_prob,
    poisson_draw,
    poisson_log_prob,
)
from pushforward.models.errors import InvalidData
from pushforward.models.likelihoods.base import ConditionalLikelihood
from pushforward.models.spec.data_spec import MAX_COUNT, DataSpec, Shape

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from pushforward.models.noise import Noise

LOG_MOST = log(MAX_COUNT)
LOG_DISPERSION_RANGE = (-16.0, 5.0)


class CountLikelihood(ConditionalLikelihood):
    """A distribution over the counts of each element, by its mean; for data that are counts."""

    def check(self, spec: DataSpec) -> None:
        if not spec.counts:
            raise InvalidData(
                f"{self.likelihood} needs counts, whole numbers from 0; of such give data.counts true, which the "
                'source npy takes; else use {"likelihood": "gaussian"}',
                field="run.family.likelihood",
            )

    def scores_only_levels(self, spec: DataSpec) -> bool:
        return True

    def log_prob(
        self, spec: DataSpec, x: Float[Tensor, " B *shape"], y: Float[Tensor, " B *params"], log_scale: Tensor
    ) -> Float[Tensor, " B"]:
        return self.count_log_prob(self.log_mean(spec, y), log_scale, x.round()).flatten(1).sum(1)

    def mean(self, spec: DataSpec, y: Float[Tensor, " B *params"]) -> Float[Tensor, " B *shape"]:
        return self.log_mean(spec, y).exp().to(y)

    def draw(
        self, spec: DataSpec, y: Float[Tensor, " B *params"], log_scale: Tensor, noise: Noise
    ) -> Float[Tensor, " B *shape"]:
        return self.count_draw(self.log_mean(spec, y), log_scale, noise.uniform(1, spec.shape)).to(y)

    def log_mean(self, spec: DataSpec, y: Float[Tensor, " B *shape"]) -> Float[Tensor, " B *shape"]:
        """Log mu, float64."""
        return (spec.log_mean_count(y).clamp(max=LOG_MOST - 1) + y).clamp(max=LOG_MOST)

    @abstractmethod
    def count_log_prob(
        self, log_mean: Float[Tensor, " B *shape"], log_scale: Tensor, k: Float[Tensor, " B *shape"]
    ) -> Float[Tensor, " B *shape"]:
        """Log P(k), float64."""

    @abstractmethod
    def count_draw(
        self, log_mean: Float[Tensor, " B *shape"], log_scale: Tensor, u: Float[Tensor, " B *shape"]
    ) -> Float[Tensor, " B *shape"]:
        """The count at u, at most `MAX_COUNT`, float64.  u: uniform in (0, 1)."""


@final
class Poisson(CountLikelihood):
    """Each element is a Poisson count, its variance the mean; for counts (`data.counts`)."""

    likelihood: Literal["poisson"] = "poisson"

    def count_log_prob(
        self, log_mean: Float[Tensor, " B *shape"], log_scale: Tensor, k: Float[Tensor, " B *shape"]
    ) -> Float[Tensor, " B *shape"]:
        return poisson_log_prob(log_mean, k)

    def count_draw(
        self, log_mean: Float[Tensor, " B *shape"], log_scale: Tensor, u: Float[Tensor, " B *shape"]
    ) -> Float[Tensor, " B *shape"]:
        return poisson_draw(log_mean, u, MAX_COUNT)


@final
class NegativeBinomial(CountLikelihood):
    """Counts that vary more than Poisson's, by a dispersion learned for each element; for counts (`data.counts`)."""

    likelihood: Literal["negative_binomial"] = "negative_binomial"

    @property
    def learns_scale(self) -> bool:
        return True

    def scale_shape(self, spec: DataSpec) -> Shape:
        return spec.shape

    def count_log_prob(
        self, log_mean: Float[Tensor, " B *shape"], log_scale: Tensor, k: Float[Tensor, " B *shape"]
    ) -> Float[Tensor, " B *shape"]:
        return negative_binomial_log_prob(log_mean, log_scale.clamp(*LOG_DISPERSION_RANGE), k)

    def count_draw(
        self, log_mean: Float[Tensor, " B *shape"], log_scale: Tensor, u: Float[Tensor, " B *shape"]
    ) -> Float[Tensor, " B *shape"]:
        return negative_binomial_draw(log_mean, log_scale.clamp(*LOG_DISPERSION_RANGE), u, MAX_COUNT)
