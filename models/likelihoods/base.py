"""What a likelihood is.

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
from pushforward.models.spec.data_spec import DataSpec, levels_of

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from pushforward.models.noise import Noise


class ConditionalLikelihood(Config, ABC):
    """A distribution over data given the decoder's output y and one number beside it, log_scale.

    y is (B, n C, ...) for data of shape (C, ...): n = `n_each(spec)` numbers for each element.
    """

    likelihood: str  # a Literal with a default in each final likelihood

    @property
    def learns_scale(self) -> bool:
        """Whether log_scale is trained."""
        return False

    @property
    def initial_log_scale(self) -> float:
        """Log_scale before training: a scale as wide as the data would leave the codes unused, for good."""
        return -2.0

    @abstractmethod
    def check(self, spec: DataSpec) -> None:
        """Raises InvalidData where this likelihood cannot describe the data."""

    def n_each(self, spec: DataSpec) -> int:
        """How many numbers of y each element has."""
        return 1

    @abstractmethod
    def scores_only_levels(self, spec: DataSpec) -> bool:
        """Whether values between levels have no probability."""

    def scores_rows(self, spec: DataSpec) -> bool:
        """Whether `log_prob` is of the row as it stands, and comparable with that of other models."""
        return True

    @abstractmethod
    def log_prob(
        self, spec: DataSpec, x: Float[Tensor, " B *shape"], y: Float[Tensor, " B *params"], log_scale: Tensor
    ) -> Float[Tensor, " B"]:
        """Log p(x|y), (B,) nats, in data units; of the levels themselves where data have them.  x: (B, *shape)."""

    @abstractmethod
    def mean(self, spec: DataSpec, y: Float[Tensor, " B *params"]) -> Float[Tensor, " B *shape"]:
        """E[x|y], (B, *shape), data units."""

    @abstractmethod
    def draw(
        self, spec: DataSpec, y: Float[Tensor, " B *params"], log_scale: Tensor, noise: Noise
    ) -> Float[Tensor, " B *shape"]:
        """A draw from p(x|y), the distribution that `log_prob` scores, (B, *shape), data units.

        The noise's draw 0 is the code's.
        """


def level_count(spec: DataSpec) -> int:
    """How many levels the data have."""
    if spec.levels is None:
        raise ValueError("continuous data have no levels")
    return spec.levels


def check_levels(spec: DataSpec, likelihood: str) -> None:
    """Raises InvalidData where data have no levels."""
    if spec.levels is None:
        raise InvalidData(
            f"{likelihood} needs data with levels, these have none; {levels_of(spec)}; else use "
            '{"likelihood": "gaussian"}',
            field="run.family.likelihood",
        )
