r"""InfoGAN: a generative adversarial network whose codes mean something.

A generator G pushes codes z = (e, c) forward to data: noise e, and structured codes c, a category and numbers from -1
to 1 (`models.latents.structured_codes`). Nothing but the game would let G ignore c, so a third network Q(c | x) reads
it off the fakes, and G is rewarded for what can be read, a bound of the mutual information of c and x = G(z),

    min_{G, Q} max_D  V(D, G) - lambda L_I(G, Q),      L_I = E log Q(c | G(z)) + H(c) <= I(c; G(z)),

with a weight of its own for the continuous codes, whose densities have another scale than probabilities. No label is
used: that categories come out as kinds of data is what is hoped for.

In the paper Q shares the critic's layers. Here it has the critic's architecture and weights of its own, so that every
game and every hold on a critic goes with it: a critic whose slope is held would read less.

Data are encoded by Q: probabilities of the categories and means of the continuous codes, where the noise would stand
zeros. So a reconstruction is the typical datum of a row's code, and interpolation from one code to another along a line
sweeps what they differ in.

References:
    | InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets
      (Chen et al., 2016), https://arxiv.org/abs/1606.03657
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, Self, final

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pushforward.models import networks
from pushforward.models.adversarial.architectures import AnyArchitectureOrGrowing, Plain, Size
from pushforward.models.adversarial.contest import Contest, RealAndFake
from pushforward.models.adversarial.critics import CriticDesign, check_together
from pushforward.models.adversarial.games import AnyGame, NonSaturating
from pushforward.models.adversarial.regularizers import AnyRegularizer
from pushforward.models.config.config import Options
from pushforward.models.family import Decodes, Diagnoses, Encodes, Family, Samples, decoded
from pushforward.models.geometry.interpolation import PathName
from pushforward.models.latents.structured_codes import StructuredCodes
from pushforward.models.lazy import torch
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.spec.data_spec import DataSpec, Shape

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler


@final
class InfoGAN(Family, Samples, Encodes, Decodes, Diagnoses):
    """Generative adversarial network with structured codes: a category and numbers that data tell."""

    family: Literal["infogan"] = "infogan"
    latent: PositiveInt = Field(16, le=1024)
    """Dimensions of the noise, the first part of a code."""
    categories: PositiveInt = Field(10, le=1024)
    """Categories, the second part of a code, one-hot; 1 for none."""
    continuous: NonNegativeInt = Field(2, le=64)
    """Continuous codes from -1 to 1, the last part of a code."""
    category_weight: NonNegativeFloat = 1.0
    """Weight of the information on the category, lambda."""
    continuous_weight: NonNegativeFloat = 0.1
    """Weight of the information on the continuous codes."""
    width: int | None = Field(None, ge=1, le=2048)
    """Units of a layer, or channels of the first convolution. Left out: chosen by the size of the data."""
    depth: PositiveInt = Field(3, le=8)
    """Hidden layers of the networks, for vectors."""
    network: AnyArchitectureOrGrowing = Plain()
    """The architecture of the networks."""
    game: AnyGame = NonSaturating()
    """The adversarial objective."""
    regularizers: tuple[AnyRegularizer, ...] | None = Field(None, max_length=8)
    """What holds the critic, and both players. Left out: what the game needs."""
    critic_steps: PositiveInt = Field(1, le=20)
    """Steps of the critic for each step of the generator."""
    critic_lr_ratio: PositiveFloat = Field(1.0, le=100.0)
    """Learning rate of the critic, as a multiple of the generator's: two time scales."""

    optimizer: ClassVar[Adam] = Adam(lr=5e-4, betas=(0.5, 0.999), decay="cosine")

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        check_together(self.game, self.regularizers, "concatenation")
        return self

    @property
    def codes(self) -> StructuredCodes:
        """The layout of a code."""
        return StructuredCodes(self.latent, self.categories, self.continuous)

    @property
    def notes(self) -> tuple[str, ...]:
        z, k, m = self.latent, self.categories, self.continuous
        layout = f"A code is {z} numbers of noise, {k} probabilities of categories and {m} numbers from -1 to 1"
        return (f"{layout}; encoded rows have zeros for noise, and reconstructions show the rest.", *self.game.notes)

    def check(self, spec: DataSpec) -> None:
        self.network.check(spec)

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        size = Size(self.width, self.depth)
        nets = networks.Nets(
            spec,
            generator=self.network.generator(spec, self.codes.size, size),
            critic=self._design.build(self.network, spec, size),
            posterior=self.network.critic(spec, self.codes.n_parameters, size),
        )
        self._contest.add_memory(nets)
        return nets

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        u = self.network.shown(nets, nets.spec.normalize(batch.x), batch)
        for real, c in zip(batch.divided(u, self.critic_steps), batch.divided(batch.c, self.critic_steps), strict=True):
            with torch.no_grad():
                fake = self.push(nets, self.codes.draw(batch.rng, len(real)))
            for loss in self._contest.critic_step(nets, RealAndFake(real, fake, c), batch):
                yield self.network.of_step(nets, loss)
        z = self.codes.draw(batch.rng, len(u))
        fake = self.push(nets, z)
        value = self._contest.generator_loss(nets, RealAndFake(u, fake, batch.c), batch)
        category, continuous = (each.mean() for each in self.codes.information(z, nets["posterior"](fake)))
        value = value - self.category_weight * category - self.continuous_weight * continuous
        terms = {"category_information_nats": category, "continuous_information_nats": continuous}
        yield self.network.of_step(nets, Loss("generator", value, ("generator", "posterior"), terms))

    def push(self, nets: Nets, z: Tensor) -> Tensor:
        """G(z), network units.  z: (B, Z); returns (B, *shape)."""
        y: Tensor = nets["generator"](z)
        return nets.within_range(y)

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return decoded(self, nets)

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        return self.codes.of(nets["posterior"](nets.spec.normalize(x)))

    @property
    def natural_path(self) -> PathName:
        return "linear"  # categories and continuous codes are not normal

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (self.codes.size,)

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        return self.codes.prior(noise)

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return nets.spec.denormalize(self.push(nets, z))

    def diagnose(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise) -> dict[str, float]:
        """The bound L_I of draws, and H(c), which bounds what the category can tell."""
        z = self.codes.prior(noise)
        category, continuous = self.codes.information(z, nets["posterior"](self.push(nets, z)))
        return {
            "category_information_bound_nats": float(category.double().mean()),
            "category_entropy_nats": self.codes.category_entropy_nats,
            "continuous_information_bound_nats": float(continuous.double().mean()),
            "continuous_entropy_nats": self.codes.continuous_entropy_nats,
        }

    @property
    def _design(self) -> CriticDesign:
        return CriticDesign(self.game, self.regularizers)

    @property
    def _contest(self) -> Contest:
        return self._design.contest(("generator",), self.critic_lr_ratio)
