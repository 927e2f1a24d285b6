"""Discrete likelihoods: the probability of each element's level (mathematics: `models.distributions.levels`)."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal, final

from pydantic import Field

from pushforward.models.distributions.levels import (
    categorical_draw,
    categorical_log_prob,
    categorical_mean,
    logistic_mixture_draw,
    logistic_mixture_log_prob,
    logistic_mixture_mean,
)
from pushforward.models.errors import InvalidData
from pushforward.models.likelihoods.base import ConditionalLikelihood, check_levels, level_count
from pushforward.models.spec.data_spec import DataSpec

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

    from pushforward.models.noise import Noise

MAX_CATEGORIES = 256


class DiscreteLikelihood(ConditionalLikelihood):
    """A distribution over level numbers, 0 to levels - 1, of each element."""

    def scores_only_levels(self, spec: DataSpec) -> bool:
        return True

    def log_prob(
        self, spec: DataSpec, x: Float[Tensor, " B *shape"], y: Float[Tensor, " B *params"], log_scale: Tensor
    ) -> Float[Tensor, " B"]:
        return self.level_log_prob(spec, self._of_each(spec, y), spec.to_level(x)).flatten(1).sum(1)

    def mean(self, spec: DataSpec, y: Float[Tensor, " B *params"]) -> Float[Tensor, " B *shape"]:
        return spec.from_level(self.level_mean(spec, self._of_each(spec, y)))

    def draw(
        self, spec: DataSpec, y: Float[Tensor, " B *params"], log_scale: Tensor, noise: Noise
    ) -> Float[Tensor, " B *shape"]:
        first, second = noise.uniform(1, spec.shape), noise.uniform(2, spec.shape)
        return spec.from_level(self.level_draw(spec, self._of_each(spec, y), first, second))

    @abstractmethod
    def level_log_prob(
        self, spec: DataSpec, params: Float[Tensor, "B P *shape"], level: Int[Tensor, " B *shape"]
    ) -> Float[Tensor, " B *shape"]:
        """Log P(level).  params: P = `params_per_element`."""

    @abstractmethod
    def level_mean(self, spec: DataSpec, params: Float[Tensor, "B P *shape"]) -> Float[Tensor, " B *shape"]:
        """The mean level."""

    @abstractmethod
    def level_draw(
        self,
        spec: DataSpec,
        params: Float[Tensor, "B P *shape"],
        first: Float[Tensor, " B *shape"],
        second: Float[Tensor, " B *shape"],
    ) -> Int[Tensor, " B *shape"]:
        """A sample of the level, of all elements or of some.  first, second: uniform in (0, 1)."""

    def _of_each(self, spec: DataSpec, y: Tensor) -> Tensor:
        return y.view(-1, self.params_per_element(spec), *spec.shape)


@final
class Categorical(DiscreteLikelihood):
    """A table of probabilities for each element (softmax): any shape, no notion of nearness; for at most 256 levels."""

    likelihood: Literal["categorical"] = "categorical"

    def check(self, spec: DataSpec) -> None:
        check_levels(spec, self.likelihood)
        if spec.levels is not None and spec.levels > MAX_CATEGORIES:
            raise InvalidData(
                f"categorical takes at most {MAX_CATEGORIES} levels, these data have {spec.levels}; use "
                '{"likelihood": "discretized_logistic"}',
                field="run.family.likelihood",
            )

    def params_per_element(self, spec: DataSpec) -> int:
        return level_count(spec)

    def level_log_prob(
        self, spec: DataSpec, params: Float[Tensor, "B P *shape"], level: Int[Tensor, " B *shape"]
    ) -> Float[Tensor, " B *shape"]:
        return categorical_log_prob(params, level)

    def level_mean(self, spec: DataSpec, params: Float[Tensor, "B P *shape"]) -> Float[Tensor, " B *shape"]:
        return categorical_mean(params)

    def level_draw(
        self,
        spec: DataSpec,
        params: Float[Tensor, "B P *shape"],
        first: Float[Tensor, " B *shape"],
        second: Float[Tensor, " B *shape"],
    ) -> Int[Tensor, " B *shape"]:
        return categorical_draw(params, first)


@final
class DiscretizedLogistic(DiscreteLikelihood):
    """The bins of a mixture of logistics, open at both ends of the range; for data with levels."""

    likelihood: Literal["discretized_logistic"] = "discretized_logistic"
    components: int = Field(1, ge=1, le=32)
    """Logistics in the mixture."""

    def check(self, spec: DataSpec) -> None:
        check_levels(spec, self.likelihood)

    def params_per_element(self, spec: DataSpec) -> int:
        return 3 * self.components

    def level_log_prob(
        self, spec: DataSpec, params: Float[Tensor, "B P *shape"], level: Int[Tensor, " B *shape"]
    ) -> Float[Tensor, " B *shape"]:
        return logistic_mixture_log_prob(params, level, level_count(spec))

    def level_mean(self, spec: DataSpec, params: Float[Tensor, "B P *shape"]) -> Float[Tensor, " B *shape"]:
        return logistic_mixture_mean(params, level_count(spec))

    def level_draw(
        self,
        spec: DataSpec,
        params: Float[Tensor, "B P *shape"],
        first: Float[Tensor, " B *shape"],
        second: Float[Tensor, " B *shape"],
    ) -> Int[Tensor, " B *shape"]:
        return logistic_mixture_draw(params, first, second, level_count(spec))
