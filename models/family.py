"""A family is a frozen config whose methods are its mathematics; weights are an argument.

The class statement is the capability declaration: `class Flow(Family, Samples, Scores, Encodes, Decodes)`. Each
capability is an abstract class of one verb. Reconstruction and interpolation follow from encoding and decoding.

All arrays that cross these methods are in **data units** (see `models.spec`); a family normalizes inside.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from models.lazy import scoring
from models.spec import DataSpec, Shape

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from models.networks import Nets
    from models.noise import Noise
    from models.sampling import Sampler
    from models.scoring import Scorer


class Config(BaseModel):
    """Plain frozen data; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Adam(Config):
    """How losses are descended: Adam, one instance for each loss name.

    References:
        | Adam: A Method for Stochastic Optimization (Kingma & Ba, 2014), https://arxiv.org/abs/1412.6980
    """

    lr: PositiveFloat = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    batch_size: PositiveInt = Field(128, le=65536)
    decay: Literal["constant", "cosine"] = "constant"  # of the learning rate, to zero at the end of the budget
    clip_norm: PositiveFloat = 1.0  # of each loss's gradient
    ema: float | None = Field(None, ge=0.0, lt=1.0)  # decay of the served average; None: 1 - 10 / total steps


class Batch(NamedTuple):
    """What one training step sees."""

    x: Tensor  # (B, *shape), data units
    y: Tensor | None  # (B,) labels, where the data have them
    rng: Generator  # the only source of randomness of the step; lives on x's device
    step: int
    total_steps: int


class Loss(NamedTuple):
    """One quantity to descend on."""

    name: str  # also names its optimizer
    value: Tensor  # scalar
    trains: tuple[str, ...]  # the networks that descend on it, and no others
    terms: Mapping[str, Tensor] = {}  # what to chart: scalars, the unit in the name (`kl_nats`)


class LogProb(NamedTuple):
    """log p(x) in nats, and what kind of number it is."""

    value: Tensor  # (B,) nats, in data units; for data with levels, of the level itself
    kind: Literal["exact", "lower_bound", "estimate"]
    std_error: Tensor | None = None  # (B,) Monte Carlo standard error, nats


class Options(Config):
    """What may be chosen when a model is asked; families extend it."""


class Family(Config, ABC):
    """Hyper-parameters as fields, mathematics as methods, weights as an argument."""

    family: str  # a Literal with a default in each final family

    optimizer: ClassVar[Adam] = Adam()  # what a run of this family starts from

    @abstractmethod
    def build(self, spec: DataSpec) -> Nets:
        """Fresh networks by name, for data of this kind. `models.train.fresh` seeds the initial weights.

        Raises:
            InvalidData: this family cannot model this kind of data.
        """

    @abstractmethod
    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        """The losses of one step, in order; each is descended before the next is computed."""


class Samples(ABC):
    """Draws new data."""

    SampleOptions: ClassVar[type[Options]] = Options

    @abstractmethod
    def sampler(self, nets: Nets, options: Any) -> Sampler:
        """The step-wise sampler of these networks; `options` is a `SampleOptions`."""


class Scores(ABC):
    """Says how probable data are."""

    ScoreOptions: ClassVar[type[Options]] = Options

    @abstractmethod
    def log_prob(self, nets: Nets, x: Tensor, noise: Noise, options: Any) -> LogProb:
        """Log p(x), (B,) nats.  x: (B, *shape); `noise` has B rows; `options` is a `ScoreOptions`."""

    def scorer(self, nets: Nets, options: Any) -> Scorer:
        """`log_prob` step by step, for those that merge steps; in one call unless a family has steps to merge."""
        return scoring.OneCall(lambda x, noise: self.log_prob(nets, x, noise, options))

    def validation_rows(self, spec: DataSpec) -> int:
        """How many held-out rows a training scores at its end: what some seconds of one core allow."""
        return min(512, max(16, 32_768 // spec.size))

    def scores_only_levels(self, spec: DataSpec) -> bool:
        """Whether values between the levels of the data have no likelihood."""
        return spec.levels is not None


class Encodes(ABC):
    """Maps data to a latent code."""

    @abstractmethod
    def encode(self, nets: Nets, x: Tensor) -> Tensor:
        """(B, *shape) to (B, *latent_shape), without randomness."""


class Decodes(ABC):
    """Maps a latent code to data."""

    @abstractmethod
    def latent_shape(self, spec: DataSpec) -> Shape:
        """The shape of one code."""

    @abstractmethod
    def prior(self, nets: Nets, noise: Noise) -> Tensor:
        """Codes of new data, one for each row of noise: (B, *latent_shape)."""

    @abstractmethod
    def decode(self, nets: Nets, z: Tensor) -> Tensor:
        """(B, *latent_shape) to (B, *shape), without randomness."""


def capabilities(family: Family | type[Family]) -> tuple[str, ...]:
    """What a model of this family can be asked, in the words of the doors."""
    cls = family if isinstance(family, type) else type(family)
    encodes, decodes = issubclass(cls, Encodes), issubclass(cls, Decodes)
    able = {
        "sample": issubclass(cls, Samples),
        "likelihood": issubclass(cls, Scores),
        "encode": encodes,
        "decode": decodes,
        "reconstruct": encodes and decodes,
        "interpolate": decodes,
    }
    return tuple(name for name, can in able.items() if can)
