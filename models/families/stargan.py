r"""StarGAN: one generator translates among many domains, told which by a label or a vector of attributes.

G(x, c') takes a row to the domain c', the critic D scores rows, and a classifier on D's features tells their domain. In
network units, with |.| the mean over elements and c' the condition of another row of the batch, drawn at random,

    L_cls^r  = -E log D_cls(c | x)               real rows and their own domain:    the critic's alone
    L_cls^f  = -E log D_cls(c' | G(x, c'))       fakes and the domain they go to:   the generator's alone
    L_rec    = E |x - G(G(x, c'), c)|            back by the original condition
    L_D      = L_game(D) + L_cls^r
    L_G      = L_game(G) + L_cls^f + 10 L_rec

A label is told by a cross-entropy, a vector of 0 and 1 by a binary one for each attribute. The game is that of the
distance W1 with a gradient penalty unless another is chosen (`models.adversarial.games`). Each step

    k times:  D descends L_D and its penalties, with its own share of the batch,
    once:     G descends L_G, against the critic that has just moved.

The condition stands beside the row, as planes of an image and as elements of a vector. G does not ask where a row is
from; a row of the domain c' may come as well. Numbers between 0 and 1 in a vector mix attributes.

**What it cannot know.** Rows are not paired, so any map that matches the distributions and can be undone is as good as
the true one. A generator near the identity finds styles that leave a row recognizable (a thick or a slanted digit);
inverted digits come out as digits, and as other ones than they were.

References:
    | StarGAN: Unified Generative Adversarial Networks for Multi-Domain Image-to-Image Translation (Choi et al., 2017),
      https://arxiv.org/abs/1711.09020
    | Improved Training of Wasserstein GANs (Gulrajani et al., 2017), https://arxiv.org/abs/1704.00028
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, Self, cast, final

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from pushforward.models import networks
from pushforward.models.adversarial.architectures import AnyArchitecture, Plain, Size
from pushforward.models.adversarial.contest import Contest, RealAndFake
from pushforward.models.adversarial.critics import CriticDesign, check_together
from pushforward.models.adversarial.games import AnyScoringGame, Wasserstein
from pushforward.models.adversarial.regularizers import AnyRegularizer
from pushforward.models.errors import InvalidData, InvalidInput
from pushforward.models.family import Conditions, Family, Translates
from pushforward.models.lazy import F, torch
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.spec.condition import Condition
from pushforward.models.spec.conditions import Labels, Vector
from pushforward.models.spec.data_spec import DataSpec

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.networks import CriticHead, Nets

BINARY = 1e-6  # how far the variance of 0 and 1 may be from m (1 - m), m their mean


@final
class StarGAN(Family, Translates, Conditions):
    """StarGAN: one generator translates among many domains, by label or by a vector of attributes."""

    family: Literal["stargan"] = "stargan"
    width: int | None = Field(None, ge=1, le=2048)
    """Units of a layer, or channels of the convolutions. Left out: chosen by the size of the data."""
    depth: PositiveInt = Field(3, le=16)
    """Hidden layers of the networks, for vectors; residual blocks of the generator, for images."""
    network: AnyArchitecture = Plain()
    """The architecture of the critic; the generator is a perceptron for vectors, residual convolutions for images."""
    game: AnyScoringGame = Wasserstein()
    """The adversarial objective."""
    regularizers: tuple[AnyRegularizer, ...] | None = Field(None, max_length=8)
    """What holds the critic, and both players. Left out: what the game needs."""
    critic_steps: PositiveInt = Field(5, le=20)
    """Steps of the critic for each step of the generator."""
    critic_lr_ratio: PositiveFloat = Field(1.0, le=100.0)
    """Learning rate of the critic, as a multiple of the generator's."""
    classification: PositiveFloat = 1.0
    """Weight of the classification of domains."""
    reconstruction: NonNegativeFloat = 10.0
    """Weight of the way there and back."""

    optimizer: ClassVar[Adam] = Adam(lr=5e-4, betas=(0.5, 0.999), batch_size=160, decay="cosine")
    fits_data: ClassVar[bool] = False
    needs_origin: ClassVar[bool] = False

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        check_together(self.game, self.regularizers, "classifier")
        return self

    @property
    def notes(self) -> tuple[str, ...]:
        return self.game.notes

    def check(self, spec: DataSpec) -> None:
        self.network.check(spec)

    def check_domains(self, condition: Condition, domains: np.ndarray) -> None:
        """Attributes are 0, 1 or between: it has seen nothing else."""
        outside = (domains < 0) | (domains > 1)
        if isinstance(condition, Vector) and outside.any():
            row, column = np.argwhere(outside)[0]
            raise InvalidInput(
                f"has {domains[row, column]:.6g} in column {column}; an attribute is 0 or 1, or between to mix both"
            )

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        _check_domains(spec.condition)
        size = Size(self.width, self.depth)
        nets = networks.Nets(
            spec,
            generator=self.network.translator(spec, size, extra=spec.condition_size),
            critic=self._design(spec).build(self.network, spec, size),
        )
        self._contest(spec).add_memory(nets)
        return nets

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        u, contest = nets.spec.normalize(batch.x), self._contest(nets.spec)
        to = batch.c[torch.randperm(len(u), generator=batch.rng, device=batch.rng.device)]
        shares = (batch.divided(each, self.critic_steps) for each in (u, batch.c, to))
        for real, c, c_to in zip(*shares, strict=True):
            with torch.no_grad():
                fake = self.push(nets, real, c_to)
            for loss in contest.critic_step(nets, RealAndFake(real, fake, c), batch):
                told = self._misclassified(nets, real, c)
                terms = {**loss.terms, "real_classification_nats": told}
                yield loss._replace(value=loss.value + self.classification * told, terms=terms)
        yield self._loss_of_generator(nets, u, batch.c, to, batch)

    def _loss_of_generator(self, nets: Nets, u: Tensor, c: Tensor, to: Tensor, batch: Batch) -> Loss:
        fake = self.push(nets, u, to)
        played = self._contest(nets.spec).generator_loss(nets, RealAndFake(u, fake, to), batch)
        told = self._misclassified(nets, fake, to)
        back = (u - self.push(nets, fake, c)).abs().mean()
        value = played + self.classification * told + self.reconstruction * back
        terms = {"fake_classification_nats": told, "reconstruction_l1": back}
        return Loss("generator", value, ("generator",), terms)

    def push(self, nets: Nets, u: Tensor, to: Tensor) -> Tensor:
        """G(u, c'), network units.  u: (B, *shape); to: (B, C)."""
        y: Tensor = nets["generator"](networks.concat_condition(u, to))
        return nets.within_range(y.view_as(u))

    def translate(self, nets: Nets, x: Tensor, to: Tensor, c: Tensor) -> Tensor:
        return nets.spec.denormalize(self.push(nets, nets.spec.normalize(x), to))

    def other(self, nets: Nets, c: Tensor) -> Tensor:
        """The next label; of a vector, all attributes flipped."""
        condition = nets.spec.condition
        if isinstance(condition, Vector):
            return condition.code(1 - condition.values(c))
        return c.roll(1, 1)

    def _misclassified(self, nets: Nets, u: Tensor, c: Tensor) -> Tensor:
        """-E log D_cls(c | u), nats a row."""
        critic, condition = cast("CriticHead", nets["critic"]), nets.spec.condition
        logits = critic.classify(u)
        if isinstance(condition, Vector):
            told = condition.values(c).to(logits.dtype)
            return F.binary_cross_entropy_with_logits(logits, told, reduction="none").sum(1).mean()
        return F.cross_entropy(logits, c)

    def _design(self, spec: DataSpec) -> CriticDesign:
        told = spec.condition
        classes = told.width if isinstance(told, Vector) else spec.condition_size
        return CriticDesign(self.game, self.regularizers, "classifier", classes)

    def _contest(self, spec: DataSpec) -> Contest:
        return self._design(spec).contest(("generator",), self.critic_lr_ratio)


def _check_domains(condition: Condition | None) -> None:
    """Refuse what are no domains. Raises InvalidData."""
    match condition:
        case Labels() if condition.n_classes > 1:
            return
        case Vector() if all(
            0 < m < 1 and abs(s**2 - m * (1 - m)) < BINARY
            for m, s in zip(condition.shift, condition.scale, strict=True)
        ):
            return
    raise InvalidData(
        "stargan translates among labels, two at least, or vectors of 0 and 1 each of which is in some rows and not in "
        "others; give such a condition",
        field="run.data.condition",
    )
