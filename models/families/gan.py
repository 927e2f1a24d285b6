r"""Generative adversarial networks.

A generator g pushes z ~ N(0, I) forward to fake data, a critic f scores data and fakes, and the two play a game
(`models.adversarial.games`) whose value, at the best critic, is a divergence between the two distributions. Each step

    k times:  f descends critic_loss(f(x), f(g(z))) and its penalties, with its own share of the batch and fresh fakes,
    once:     g descends generator_loss(f(g(z))), against the critic that has just moved.

Data may have a condition c: the generator takes z and c, and the critic sees c

    concatenation  beside the row,
    projection     as a product with its features, f(x, c) = w^T phi(x) + (V c)^T phi(x),
    classifier     not at all: it tells the label of each row beside its score, and both players descend
                   -log P(c | x) of real rows and of fakes.

Rows of tables have a form of their own (`models.tabular.adversarial`).

Where data are bounded a tanh keeps g(z) in their range. There is no likelihood and no encoder. Networks may grow while
they are trained (`network: progressive`): the first losses are then of small images, and carry the name of their side.

References:
    | Generative Adversarial Nets (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661
    | Conditional Generative Adversarial Nets (Mirza & Osindero, 2014), https://arxiv.org/abs/1411.1784
    | Unsupervised Representation Learning with Deep Convolutional GANs (Radford et al., 2015), arXiv:1511.06434
    | Conditional Image Synthesis With Auxiliary Classifier GANs (Odena et al., 2016), https://arxiv.org/abs/1610.09585
    | GANs Trained by a Two Time-Scale Update Rule (Heusel et al., 2017), https://arxiv.org/abs/1706.08500
    | Progressive Growing of GANs for Improved Quality, Stability, and Variation (Karras et al., 2017), arXiv:1710.10196
    | cGANs with Projection Discriminator (Miyato & Koyama, 2018), https://arxiv.org/abs/1802.05637
    | The Unusual Effectiveness of Averaging in GAN Training (Yazıcı et al., 2018), https://arxiv.org/abs/1806.04498
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, final

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pushforward.models import networks
from pushforward.models.adversarial.architectures import AnyArchitectureOrGrowing, Perceptrons, Plain, Size
from pushforward.models.adversarial.contest import Contest, RealAndFake
from pushforward.models.adversarial.critics import ConditionedBy, CriticDesign, check_together, with_regularizers
from pushforward.models.adversarial.games import AnyGame, NonSaturating
from pushforward.models.adversarial.regularizers import AnyRegularizer
from pushforward.models.config.config import Options
from pushforward.models.errors import InvalidData
from pushforward.models.family import Conditions, Decodes, Family, Samples, decoded
from pushforward.models.lazy import F, torch
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.tables.table import Table
from pushforward.models.tabular.adversarial import AdversarialForm
from pushforward.models.tabular.models_tables import ModelsTables

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler


@final
class GAN(Family, Samples, Decodes, Conditions, ModelsTables):
    """Generative adversarial network: one pass from noise to data, learned in a game against a critic."""

    family: Literal["gan"] = "gan"
    latent: PositiveInt = Field(32, le=1024)
    """Dimensions of the latent code z."""
    width: int | None = Field(None, ge=1, le=2048)
    """Units of a layer, or channels of the first convolution. Left out: chosen by the size of the data."""
    depth: PositiveInt = Field(3, le=8)
    """Hidden layers of the networks, for vectors."""
    network: AnyArchitectureOrGrowing = Plain()
    """The architecture of both networks."""
    game: AnyGame = NonSaturating()
    """The adversarial objective."""
    regularizers: tuple[AnyRegularizer, ...] | None = Field(None, max_length=8)
    """What holds the critic, and both players. Left out: what the game needs."""
    critic_steps: PositiveInt = Field(1, le=20)
    """Steps of the critic for each step of the generator."""
    critic_lr_ratio: PositiveFloat = Field(1.0, le=100.0)
    """Learning rate of the critic, as a multiple of the generator's: two time scales."""
    conditioned_by: ConditionedBy = "concatenation"
    """How the critic sees a condition, where data have one."""

    optimizer: ClassVar[Adam] = Adam(lr=5e-4, betas=(0.5, 0.999), decay="cosine")

    @model_validator(mode="before")
    @classmethod
    def _read_older(cls, values: Any) -> Any:
        return with_regularizers(values)

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        check_together(self.game, self.regularizers, self.conditioned_by)
        return self

    @property
    def notes(self) -> tuple[str, ...]:
        return self.game.notes

    def for_table(self, table: Table) -> AdversarialForm:
        if not isinstance(self.network, Plain | Perceptrons):
            raise InvalidData("is for images; tables take plain or mlp", field="run.family.network")
        if self.conditioned_by != "concatenation":
            raise InvalidData(
                "is not for tables, whose critic sees cases and conditions beside the row; leave it out",
                field="run.family.conditioned_by",
            )
        return AdversarialForm(family="gan", table=table, rows=self)

    def check(self, spec: DataSpec) -> None:
        self.network.check(spec)
        if (
            self.conditioned_by == "classifier"
            and spec.condition is not None
            and not isinstance(spec.condition, Labels)
        ):
            raise InvalidData(
                "a classifier tells labels, and the condition of these data is a vector; choose conditioned_by "
                "concatenation or projection",
                field="run.family.conditioned_by",
            )

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        size = Size(self.width, self.depth)
        nets = networks.Nets(
            spec,
            generator=self.network.generator(spec, self.latent + spec.condition_size, size),
            critic=self._design(spec).build(self.network, spec, size),
        )
        self._contest(spec).add_memory(nets)
        return nets

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        u, contest = self.network.shown(nets, nets.spec.normalize(batch.x), batch), self._contest(nets.spec)
        shares = (batch.divided(each, self.critic_steps) for each in (u, batch.c))
        for real, c in zip(*shares, strict=True):
            rows = self._rows(nets, real, c, batch.rng)
            for loss in contest.critic_step(nets, rows, batch):
                missed = self._misclassified(nets, real, c) + self._misclassified(nets, rows.fake, c)
                yield self.network.of_step(nets, loss._replace(value=loss.value + missed))
        rows = RealAndFake(u, self.fake(nets, batch.c, batch.rng), batch.c)
        value = contest.generator_loss(nets, rows, batch)
        loss = Loss("generator", value + self._misclassified(nets, rows.fake, batch.c), ("generator",))
        yield self.network.of_step(nets, loss)

    def _rows(self, nets: Nets, real: Tensor, c: Tensor, rng: Generator) -> RealAndFake:
        with torch.no_grad():
            return RealAndFake(real, self.fake(nets, c, rng), c)

    def fake(self, nets: Nets, c: Tensor, rng: Generator) -> Tensor:
        """A draw of the generator for each condition, (B, *shape), network units.  c: (B, C)."""
        return self.push(nets, torch.randn(len(c), self.latent, generator=rng, device=rng.device), c)

    def push(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        """g(z, c), network units.  z: (B, Z); c: (B, C); returns (B, *shape)."""
        y: Tensor = nets["generator"](networks.concat_condition(z, c))
        return nets.within_range(y)

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return decoded(self, nets)

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (self.latent,)

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        return noise.normal(0, (self.latent,))

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return nets.spec.denormalize(self.push(nets, z, c))

    def _design(self, spec: DataSpec) -> CriticDesign:
        return CriticDesign(self.game, self.regularizers, self.conditioned_by, spec.condition_size)

    def _contest(self, spec: DataSpec) -> Contest:
        return self._design(spec).contest(("generator",), self.critic_lr_ratio)

    def _misclassified(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor | float:
        """-E log P(c | x) by the critic's classifier; 0 without one."""
        critic = nets["critic"]
        if self.conditioned_by != "classifier" or not isinstance(critic, networks.CriticHead) or not c.shape[1]:
            return 0.0
        return F.cross_entropy(critic.classify(x), c)
