r"""AE-OT-GAN: a generative adversarial network that draws its codes by optimal transport.

The first share of a training is that of AE-OT: an autoencoder gives each row x_i a code y_i = E(x_i),

    L_AE = E |x - G(E(x))|^2,

and semi-discrete optimal transport T carries noise onto the codes (`models.latents.transported_codes`). Then the
encoder stays, and its decoder goes on as the generator of a GAN of codes z = T(e), e ~ N(0, I), which descends

    L_G = a generator_loss(f(G(z))) + b E |x - G(E(x))|^2,

a game (`models.adversarial.games`) and the squared error at the pairs of rows and codes that the autoencoder left. The
transport leaves the gaps between the modes of the codes empty, so G need not tear a connected space apart, and pairs
hold it at the data: no mode is dropped. The game makes images sharp, which squared errors alone leave blurred.

The critic f plays from the first step, so that it knows the decoder's images when the decoder begins to follow it. The
paper trains one part after the other, draws noise uniformly, and compares the pairs in features of another network;
here one schedule of the learning rate covers all, noise is normal, and errors are those of the rows themselves.

It takes no condition: its transport carries noise onto the codes of all rows, as that of AE-OT (`ae_ot`) does.

References:
    | AE-OT-GAN: Training GANs from data specific latent distribution (An et al., 2020), https://arxiv.org/abs/2001.03698
    | AE-OT: A New Generative Model Based on Extended Semi-discrete Optimal Transport (An et al., 2020), ICLR
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, Self, final

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from pushforward.models import networks
from pushforward.models.adversarial.architectures import Plain, Size
from pushforward.models.adversarial.contest import Contest, RealAndFake
from pushforward.models.adversarial.critics import CriticDesign, check_together
from pushforward.models.adversarial.games import AnyGame, NonSaturating
from pushforward.models.adversarial.regularizers import AnyRegularizer
from pushforward.models.config.config import Options
from pushforward.models.family import Decodes, Diagnoses, Encodes, Family, Samples, decoded
from pushforward.models.geometry.interpolation import PathName
from pushforward.models.latents.transported_codes import cell_mass_error, transport_loss
from pushforward.models.lazy import torch
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.spec.requirements import convolves, rows_kept

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler


@final
class AEOTGAN(Family, Samples, Encodes, Decodes, Diagnoses):
    """Autoencoder with optimal transport, whose decoder becomes the generator of an adversarial network."""

    family: Literal["ae_ot_gan"] = "ae_ot_gan"
    latent: PositiveInt = Field(8, le=1024)
    """Dimensions of the latent code z."""
    width: int | None = Field(None, ge=1, le=2048)
    """Units of a layer, or channels of the first convolution. Left out: chosen by the size of the data."""
    depth: PositiveInt = Field(2, le=8)
    """Hidden layers of the networks, for vectors."""
    draws: int = Field(1024, ge=16, le=65536)
    """Draws of noise at each step of the transport's training."""
    neighbors: PositiveInt = Field(2, le=64)
    """Codes of the data that one sample lies between, at most; 1 draws only codes of the data."""
    angle: float = Field(0.6, gt=0.0, le=3.15)
    """Greatest angle between neighbors, in radians: beyond it they belong to different modes."""
    autoencoding: float = Field(0.5, gt=0.0, lt=1.0)
    """Share of the training that is the autoencoder's; in the rest its decoder plays against the critic."""
    game: AnyGame = NonSaturating()
    """The adversarial objective."""
    regularizers: tuple[AnyRegularizer, ...] | None = Field(None, max_length=8)
    """What holds the critic. Left out: what the game needs."""
    critic_lr_ratio: PositiveFloat = Field(1.0, le=100.0)
    """Learning rate of the critic, as a multiple of the autoencoder's."""
    adversarial_weight: NonNegativeFloat = 1.0
    """Weight of the game in the generator's loss, a."""
    pair_weight: NonNegativeFloat = 0.1
    """Weight of the squared error at pairs of rows and codes in the generator's loss, b."""

    optimizer: ClassVar[Adam] = Adam(lr=2e-3, decay="cosine")

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        check_together(self.game, self.regularizers, "concatenation")
        return self

    @property
    def notes(self) -> tuple[str, ...]:
        return self.game.notes

    def check(self, spec: DataSpec) -> None:
        rows_kept(spec)
        convolves(spec)

    def build(self, spec: DataSpec) -> Nets:
        width, depth = self.width, self.depth
        nets = networks.Nets(
            spec,
            encoder=networks.encoder(spec, self.latent, width=width, depth=depth),
            decoder=networks.decoder(spec, self.latent, width=width, depth=depth),
            transport=networks.SemiDiscreteTransport(
                rows_kept(spec), self.latent, neighbors=self.neighbors, widest=self.angle
            ),
            critic=self._design.build(Plain(), spec, Size(width, depth)),
        )
        self._contest.add_memory(nets)
        return nets

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        u, plays = nets.spec.normalize(batch.x), batch.step >= self.autoencoding * batch.total_steps
        z: Tensor = nets["encoder"](u)
        if not plays:
            yield Loss("cost", self.cost(nets, u, z), ("encoder", "decoder"))
        z = z.detach()
        yield transport_loss(nets, z, self.draws, batch)
        with torch.no_grad():
            rows = RealAndFake(u, self.push(nets, self.transported(nets, len(u), batch.rng)), batch.c)
        yield from self._contest.critic_step(nets, rows, batch)
        if plays:
            fake = self.push(nets, self.transported(nets, len(u), batch.rng))
            game = self._contest.generator_loss(nets, RealAndFake(u, fake, batch.c), batch)
            cost = self.cost(nets, u, z)
            value = self.adversarial_weight * game + self.pair_weight * cost
            yield Loss("generator", value, ("decoder",), {"generator_cost": cost})

    def cost(self, nets: Nets, u: Tensor, z: Tensor) -> Tensor:
        """E |u - G(z)|^2 at pairs of rows and codes, a scalar.  u: (B, *shape), network units; z: (B, Z)."""
        return (u - self.push(nets, z)).square().flatten(1).sum(1).mean()

    def transported(self, nets: Nets, n: int, rng: Generator) -> Tensor:
        """T(e) of n draws, (n, Z), without gradients."""
        with torch.no_grad():
            z: Tensor = nets["transport"](torch.randn(n, self.latent, generator=rng, device=rng.device))
        return z

    def push(self, nets: Nets, z: Tensor) -> Tensor:
        """G(z), network units.  z: (B, Z); returns (B, *shape)."""
        y: Tensor = nets["decoder"](z)
        return nets.within_range(y)

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return decoded(self, nets)

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        z: Tensor = nets["encoder"](nets.spec.normalize(x))
        return z

    @property
    def natural_path(self) -> PathName:
        return "linear"  # codes lie where the encoder puts them

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (self.latent,)

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        z: Tensor = nets["transport"](noise.normal(0, (self.latent,)))
        return z

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return nets.spec.denormalize(self.push(nets, z))

    def diagnose(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise) -> dict[str, float]:
        return {"cell_mass_error": cell_mass_error(nets, noise)}

    @property
    def _design(self) -> CriticDesign:
        return CriticDesign(self.game, self.regularizers)

    @property
    def _contest(self) -> Contest:
        return self._design.contest(("decoder",), self.critic_lr_ratio)
