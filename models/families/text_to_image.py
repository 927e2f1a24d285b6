r"""Text to image: a generative adversarial network of images and their captions.

A network phi reads a caption t, character by character. The generator g draws an image from z ~ N(0, I) and phi(t); the
critic f scores an image beside phi(t), and has to tell three kinds of pairs apart (GAN-CLS):

    s_r = f(x, phi(t))         an image and its caption
    s_w = f(x', phi(t))        an image and the caption of another one
    s_f = f(g(z, phi(t)), phi(t))

    critic     descends  -[log s_r + 1/2 (log(1 - s_w) + log(1 - s_f))]
    generator  ascends   1/2 [log s_f + log f(g(z, h), h)],  h = beta phi(t_1) + (1 - beta) phi(t_2)

The last term asks for images of points between two captions, for which there are no data (GAN-INT). Without wrong pairs
and without points between captions this is a conditional GAN.

A wrong pair is a fake in the eyes of the game: so the real side holds each pair (x, t) twice, the fake side the image
g(z, phi(t)) and the image of another row for each t, and every game and regularizer applies. Where no other caption is
at hand, a fake stands in its place. phi learns with the critic, as captions matter to it; the generator takes phi as it
finds it.

References:
    | Generative Adversarial Text to Image Synthesis (Reed et al., 2016), https://arxiv.org/abs/1605.05396
    | cGANs with Projection Discriminator (Miyato & Koyama, 2018), https://arxiv.org/abs/1802.05637
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, Self, final

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pushforward.models import networks
from pushforward.models.adversarial.architectures import AnyArchitecture, Plain, Size
from pushforward.models.adversarial.contest import Contest, RealAndFake
from pushforward.models.adversarial.critics import CriticDesign, check_together
from pushforward.models.adversarial.games import AnyGame, NonSaturating
from pushforward.models.adversarial.regularizers import AnyRegularizer
from pushforward.models.config.config import Options
from pushforward.models.errors import InvalidData
from pushforward.models.family import Conditions, Decodes, Family, Samples, decoded
from pushforward.models.lazy import torch
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.spec.text import ALPHABET, Text

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler


@final
class TextToImage(Family, Samples, Decodes, Conditions):
    """Text to image: one pass from noise and a caption to data, against a critic that knows which caption is whose."""

    family: Literal["text_to_image"] = "text_to_image"
    latent: PositiveInt = Field(32, le=1024)
    """Dimensions of the latent code z."""
    embedding: PositiveInt = Field(64, le=1024)
    """Dimensions of phi(t), what the networks see of a caption."""
    width: int | None = Field(None, ge=1, le=2048)
    """Units of a layer, or channels of the first convolution. Left out: chosen by the size of the data."""
    depth: PositiveInt = Field(3, le=8)
    """Hidden layers of the networks, for vectors."""
    network: AnyArchitecture = Plain()
    """The architecture of generator and critic."""
    game: AnyGame = NonSaturating()
    """The adversarial objective."""
    regularizers: tuple[AnyRegularizer, ...] | None = Field(None, max_length=8)
    """What holds the critic, and both players. Left out: what the game needs."""
    critic_steps: PositiveInt = Field(1, le=20)
    """Steps of the critic for each step of the generator."""
    critic_lr_ratio: PositiveFloat = Field(1.0, le=100.0)
    """Learning rate of the critic, as a multiple of the generator's: two time scales."""
    conditioned_by: Literal["concatenation", "projection"] = "projection"
    """How the critic sees a caption: beside the image, or as a product with the image's features."""
    mismatched: bool = True
    """Whether the critic also sees images beside captions of others (GAN-CLS)."""
    beta: float | None = Field(0.5, gt=0.0, lt=1.0)
    """Where between two captions the generator is trained, too (GAN-INT). Null: at captions only."""

    reads_text: ClassVar[bool] = True
    optimizer: ClassVar[Adam] = Adam(lr=5e-4, betas=(0.5, 0.999), decay="cosine")

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        check_together(self.game, self.regularizers, self.conditioned_by)
        return self

    @property
    def notes(self) -> tuple[str, ...]:
        return self.game.notes

    def check(self, spec: DataSpec) -> None:
        self.network.check(spec)
        if not isinstance(spec.condition, Text):
            raise InvalidData(
                "text_to_image needs a caption beside each row; choose the source captioned_digits with the condition "
                "text, or train gan",
                field="run.data.condition",
            )

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        size = Size(self.width, self.depth)
        nets = networks.Nets(
            spec,
            text=networks.CharacterEncoder(len(ALPHABET), self.embedding, width=self.embedding),
            generator=self.network.generator(spec, self.latent + self.embedding, size),
            critic=self._design.build(self.network, spec, size),
        )
        self.contest.add_memory(nets)
        return nets

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        u, contest = nets.spec.normalize(batch.x), self.contest
        shares = (batch.divided(each, self.critic_steps) for each in (u, batch.c))
        for real, c in zip(*shares, strict=True):
            for loss in contest.critic_step(nets, self.pairs(nets, real, c, batch.rng), batch):
                yield loss._replace(trains=(*loss.trains, "text"))
        rows = self._drawn(nets, u, batch)
        yield Loss("generator", contest.generator_loss(nets, rows, batch), ("generator",))

    def pairs(self, nets: Nets, real: Tensor, c: Tensor, rng: Generator) -> RealAndFake:
        """What the critic compares: images beside their captions, and fakes and other images beside the same ones."""
        h = self.embed(nets, c)
        with torch.no_grad():
            fake = self._fake(nets, h, rng)
        if not self.mismatched:
            return RealAndFake(real, fake, h)
        mate = mates(len(c), rng)
        differs = (c != c[mate]).any(1).view(-1, *[1] * (real.ndim - 1))
        wrong = torch.where(differs, real[mate], fake)
        return RealAndFake(torch.cat([real, real]), torch.cat([fake, wrong]), torch.cat([h, h]))

    def embed(self, nets: Nets, c: Tensor) -> Tensor:
        """phi(t), (B, E).  c: (B, V), the numbers of its characters."""
        h: Tensor = nets["text"](c)
        return h

    def push(self, nets: Nets, z: Tensor, h: Tensor) -> Tensor:
        """g(z, h), network units.  z: (B, Z); h: (B, E); returns (B, *shape)."""
        y: Tensor = nets["generator"](networks.concat_condition(z, h))
        return nets.within_range(y)

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return decoded(self, nets)

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (self.latent,)

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        return noise.normal(0, (self.latent,))

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return nets.spec.denormalize(self.push(nets, z, self.embed(nets, c)))

    @property
    def contest(self) -> Contest:
        """The game against the critic."""
        return self._design.contest(("generator",), self.critic_lr_ratio)

    def _drawn(self, nets: Nets, u: Tensor, batch: Batch) -> RealAndFake:
        """Fakes of the generator, of captions and of points between two of them."""
        with torch.no_grad():
            h = self.embed(nets, batch.c)
        if self.beta is not None:
            between = torch.lerp(h[mates(len(h), batch.rng)], h, self.beta)
            both = torch.cat([h, between])
            return RealAndFake(u, self._fake(nets, both, batch.rng), both, own=h)
        return RealAndFake(u, self._fake(nets, h, batch.rng), h)

    def _fake(self, nets: Nets, h: Tensor, rng: Generator) -> Tensor:
        return self.push(nets, torch.randn(len(h), self.latent, generator=rng, device=rng.device), h)

    @property
    def _design(self) -> CriticDesign:
        return CriticDesign(self.game, self.regularizers, self.conditioned_by, self.embedding)


def mates(n: int, rng: Generator) -> Tensor:
    """Another row for each of n rows, (n,): all are as far apart. The row itself where n = 1."""
    shift = torch.randint(1, max(2, n), (), generator=rng, device=rng.device)
    return (torch.arange(n, device=rng.device) + shift) % n
