"""The interface of the likelihoods p(x|y), y being a decoder's output.

Example:
    >>> import torch
    >>> from pushforward.models.likelihoods import Bernoulli
    >>> from pushforward.models.spec.data_spec import DataSpec
    >>> spec, y = DataSpec(shape=(3,), low=0, high=1, levels=2), torch.zeros(1, 3)
    >>> Bernoulli().log_prob(spec, torch.ones(1, 3), y, torch.tensor(0.0))  # 3 log 1/2
    tensor([-2.0794])
    >>> Bernoulli().mean(spec, y)
    tensor([[0.5000, 0.5000, 0.5000]])
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pushforward.models.config.config import Config
from pushforward.models.errors import InvalidData
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.spec.requirements import levels_of

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from pushforward.models.noise import Noise


class ConditionalLikelihood(Config, ABC):
    """A distribution over data given the decoder's output y and log_scale beside it, one number unless it has more.

    For data of shape (C, ...), y is (B, n C, ...), with n = `params_per_element(spec)`.
    """

    likelihood: str  # a Literal with a default in each final likelihood

    @property
    def learns_scale(self) -> bool:
        """Whether log_scale is trained."""
        return False

    @property
    def initial_log_scale(self) -> float:
        """Log_scale before training. A scale as wide as the data lets the decoder ignore the codes, and it stays so."""
        return -2.0

    def scale_shape(self, spec: DataSpec) -> Shape:
        """The shape of log_scale: one number unless a likelihood has more."""
        return ()

    @abstractmethod
    def check(self, spec: DataSpec) -> None:
        """Raise InvalidData if this likelihood cannot describe the data."""

    def params_per_element(self, spec: DataSpec) -> int:
        """How many parameters in y each element has."""
        return 1

    @abstractmethod
    def scores_only_levels(self, spec: DataSpec) -> bool:
        """Whether values between levels have probability zero."""

    def scores_rows(self, spec: DataSpec) -> bool:
        """Whether `log_prob` scores the row itself, so that it can be compared with other models."""
        return True

    @abstractmethod
    def log_prob(
        self, spec: DataSpec, x: Float[Tensor, " B *shape"], y: Float[Tensor, " B *params"], log_scale: Tensor
    ) -> Float[Tensor, " B"]:
        """Log p(x|y), nats, in data units; for levels and counts, the log-probability of them."""

    @abstractmethod
    def mean(self, spec: DataSpec, y: Float[Tensor, " B *params"]) -> Float[Tensor, " B *shape"]:
        """E[x|y], data units."""

    @abstractmethod
    def draw(
        self, spec: DataSpec, y: Float[Tensor, " B *params"], log_scale: Tensor, noise: Noise
    ) -> Float[Tensor, " B *shape"]:
        """A sample of p(x|y), data units. Draw 0 of the noise belongs to the code."""


def level_count(spec: DataSpec) -> int:
    """The number of levels of the data. Raises ValueError where they have none."""
    if spec.levels is None:
        raise ValueError("continuous data have no levels")
    return spec.levels


def check_levels(spec: DataSpec, likelihood: str) -> None:
    """Raise InvalidData if the data have no levels."""
    refuse_counts(spec, likelihood)
    if spec.levels is None:
        raise InvalidData(
            f"{likelihood} needs data with levels, these have none; {levels_of(spec)}; else use "
            '{"likelihood": "gaussian"}',
            field="run.family.likelihood",
        )


def refuse_counts(spec: DataSpec, likelihood: str) -> None:
    """Raise InvalidData if the data are counts."""
    if spec.counts:
        raise InvalidData(
            f'{likelihood} does not describe counts; use {{"likelihood": "poisson"}} or '
            '{"likelihood": "negative_binomial"}, or leave out data.counts',
            field="run.family.likelihood",
        )
