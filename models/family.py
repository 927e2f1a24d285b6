"""A family is a frozen config whose methods are its mathematics; weights are an argument.

The class statement is the capability declaration: `class Flow(Family, Samples, Scores, Encodes, Decodes)`. Each
capability is an abstract class of one verb. Others follow: reconstruction, and interpolation.

All arrays that cross these methods are in **data units** (see `models.spec.data_spec`); a family normalizes inside. A
condition is c, (B, C), as `models.spec.conditions` codes it, with C = 0 where a model takes none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from pushforward.models.config.config import Config, Options
from pushforward.models.geometry.interpolation import PathName
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.stepwise.program import OneCall
from pushforward.models.stepwise.sampling import OneStep
from pushforward.models.stepwise.scoring import LogProb

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.spec.condition import Condition
    from pushforward.models.stepwise.mapping import Completer, RowMap, Translator
    from pushforward.models.stepwise.sampling import Sampler
    from pushforward.models.stepwise.scoring import Scorer


class Family(Config, ABC):
    """Hyper-parameters as fields, mathematics as methods, weights as an argument."""

    family: str  # a Literal with a default in each final family

    optimizer: ClassVar[Adam] = Adam()  # what a run of this family starts from
    fits_data: ClassVar[bool] = True  # whether it learns the distribution of its rows
    trains_in_bfloat16: ClassVar[bool] = True  # whether its networks may: not where errors of a solver add up

    def check(self, spec: DataSpec) -> None:
        """Refuse data of a kind that this configuration cannot model, without torch, by InvalidData: field, remedy.

        `spec` may be an outline (`models.data.Source.outline`): what does not show there, `build` refuses.
        """

    @abstractmethod
    def build(self, spec: DataSpec) -> Nets:
        """Fresh networks by name, for data of this kind. Raises InvalidData: at least all that `check` refuses."""

    @abstractmethod
    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        """The losses of one step, in order; each is descended before the next is computed."""

    @property
    def withheld(self) -> frozenset[str]:
        """Capabilities that its class declares and this configuration lacks."""
        return frozenset()

    @property
    def notes(self) -> tuple[str, ...]:
        """What users of a model of this configuration should know, a sentence each."""
        return ()


class Conditions:
    """Takes a condition beside each row; data with a condition need such a family."""

    reads_text: ClassVar[bool] = False  # whether the condition is a text; else a label or a vector

    @property
    def answers_without(self) -> bool:
        """Whether a model that was trained with conditions also answers without one, c = 0."""
        return False


class ModelsCounts:
    """Has a likelihood that may be one of counts; of the families that score, only these take counts."""


class Diagnoses(ABC):
    """Measures more than likelihoods, errors and samples on held-out rows."""

    @abstractmethod
    def diagnose(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise) -> dict[str, float]:
        """Metrics for the card, the unit in the name.  x: (B, *shape); `noise` has B rows."""


class Validates(ABC):
    """Has an objective of held-out rows, which `models.training.curve` shows in the place of likelihoods."""

    @property
    def keeps_best(self) -> bool:
        """Whether weights of a lower loss are the better ones; not where others play against it, or depend on it."""
        return True

    @abstractmethod
    def held_out(self, nets: Nets, batch: Batch) -> Loss:
        """The objective on rows held out, the batch's generator being the same each time. Needs no gradient."""


class Samples(ABC):
    """Draws new data."""

    SampleOptions: ClassVar[type[Options]] = Options

    def check_sampling(self, spec: DataSpec, options: Any) -> None:  # noqa: B027  most refuse nothing
        """Refuse options that a model of such data cannot take, without loading it, by InvalidInput: field, remedy."""

    @abstractmethod
    def sampler(self, nets: Nets, options: Any) -> Sampler:
        """The step-wise sampler of these networks; `options` is a `SampleOptions`. Raises as `check_sampling`."""


class Scores(ABC):
    """Has a likelihood."""

    ScoreOptions: ClassVar[type[Options]] = Options

    @abstractmethod
    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: Any) -> LogProb:
        """Log p(x), (B,) nats.  x: (B, *shape); `noise` has B rows; `options` is a `ScoreOptions`."""

    def scorer(self, nets: Nets, options: Any) -> Scorer:
        """`log_prob` step by step; in one call unless a family has steps. `options` is a `ScoreOptions`."""
        return OneCall(lambda x, c, noise: self.log_prob(nets, x, c, noise, options))

    def validation_rows(self, spec: DataSpec) -> int:
        """How many held-out rows a training scores at its end: as many as take some seconds on one core."""
        return min(512, max(16, 2**19 // spec.size))

    def curve_options(self) -> Any:
        """`ScoreOptions` of a training's curve: they cost about as much as a training step."""
        return self.ScoreOptions()

    def scores_only_levels(self, spec: DataSpec) -> bool:
        """Whether values between the levels of the data, or between counts, have no likelihood."""
        return spec.discrete

    def scores_rows(self, spec: DataSpec) -> bool:
        """Whether its likelihood is that of the row itself: not so where gray values are binarized."""
        return True


class Encodes(ABC):
    """Maps data to a latent code."""

    EncodeOptions: ClassVar[type[Options]] = Options
    inverts: ClassVar[bool] = False  # whether decoding its codes gives the rows back

    @abstractmethod
    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        """(B, *shape) to (B, *latent_shape), without randomness."""

    def encoder(self, nets: Nets, options: Any) -> RowMap:
        """`encode` step by step; in one call unless a family has steps. `options` is an `EncodeOptions`."""
        return OneCall(lambda x, c, _: self.encode(nets, x, c))


class Decodes(ABC):
    """Maps a latent code to data."""

    DecodeOptions: ClassVar[type[Options]] = Options

    @property
    def natural_path(self) -> PathName:
        """The path between two codes that stays where codes lie: around the origin where they are normal."""
        return "slerp"

    @abstractmethod
    def latent_shape(self, spec: DataSpec) -> Shape:
        """The shape of one code."""

    @abstractmethod
    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        """Codes of new data, one for each row of noise: (B, *latent_shape)."""

    @abstractmethod
    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        """(B, *latent_shape) to (B, *shape), without randomness."""

    def decoder(self, nets: Nets, options: Any) -> RowMap:
        """`decode` step by step; in one call unless a family has steps. `options` is a `DecodeOptions`."""
        return OneCall(lambda z, c, _: self.decode(nets, z, c))


class Completes(ABC):
    """Makes whole rows of patches of them, in no order and without their places."""

    CompleteOptions: ClassVar[type[Options]] = Options

    @abstractmethod
    def patches_shape(self, spec: DataSpec) -> Shape:
        """The shape of the patches of one row: how many, then that of each."""

    @abstractmethod
    def complete(self, nets: Nets, patches: Tensor, noise: Noise, c: Tensor) -> Tensor:
        """(B, *patches_shape) to (B, *shape): a function of noise, and of patches in whatever order."""

    def completer(self, nets: Nets, options: Any) -> Completer:
        """`complete` step by step; in one call unless a family has steps. `options` is a `CompleteOptions`."""
        return OneCall(lambda patches, c, noise: self.complete(nets, patches, noise, c))


class Translates(ABC):
    """Maps data from one domain to another; a domain is a value of the condition of the data."""

    TranslateOptions: ClassVar[type[Options]] = Options
    needs_origin: ClassVar[bool] = True  # whether a request must say which domain its rows are from

    @abstractmethod
    def translate(self, nets: Nets, x: Tensor, to: Tensor, c: Tensor) -> Tensor:
        """Rows x of the domains c, in the domains `to`, without randomness.  x: (B, *shape); to, c: (B, C)."""

    @abstractmethod
    def other(self, nets: Nets, c: Tensor) -> Tensor:
        """For each domain c, (B, C), the one that a cycle leads through, (B, C)."""

    def check_domains(self, condition: Condition, domains: np.ndarray) -> None:  # noqa: B027  most take all
        """Refuse values of the condition that are no domains, (N, V), by InvalidInput: what is wrong, remedy."""

    def translator(self, nets: Nets, options: Any) -> Translator:
        """`translate` step by step; in one call unless a family has steps. `options` is a `TranslateOptions`."""
        return OneCall(lambda x, to, c, _: self.translate(nets, x, to, c))


def answers_without(family: Family) -> bool:
    """Whether its conditional models also answer without a condition."""
    return isinstance(family, Conditions) and family.answers_without


def reconstruct(family: Family, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
    """decode(encode(x)), or x to another domain and back. Raises TypeError where the family does neither."""
    if isinstance(family, Translates):
        to = family.other(nets, c)
        return family.translate(nets, family.translate(nets, x, to, c), c, to)
    if not (isinstance(family, Encodes) and isinstance(family, Decodes)):
        raise TypeError(f"{family.family} neither translates nor both encodes and decodes")
    return family.decode(nets, family.encode(nets, x, c), c)


def decoded(family: Decodes, nets: Nets) -> OneStep:
    """A draw of a family's prior, decoded."""
    return OneStep(lambda noise, c: family.prior(nets, noise, c), lambda z, _, c: family.decode(nets, z, c))
