r"""Generative adversarial networks.

A generator g pushes z ~ N(0, I) forward to fake data, a critic f scores data and fakes, and the two play a game
(`models.adversarial.games`) whose value, at the best critic, is a divergence between the two distributions. Each step

    k times:  f descends critic_loss(f, x, g(z)),  each time with its own share of the batch and fresh fakes,
    once:     g descends generator_loss(f, g(z)),  against the critic that has just moved.

Where data are bounded a tanh keeps g(z) in their range. There is no likelihood and no encoder.

References:
    | Generative Adversarial Nets (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661
    | Unsupervised Representation Learning with Deep Convolutional GANs (Radford et al., 2015), arXiv:1511.06434
    | The Unusual Effectiveness of Averaging in GAN Training (Yazıcı et al., 2018), https://arxiv.org/abs/1806.04498
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, final

from pydantic import Field, PositiveInt

from pushforward.models import networks
from pushforward.models.adversarial.games import AnyGame, NonSaturating
from pushforward.models.config.config import Options
from pushforward.models.family import Decodes, Family, Samples, decoded
from pushforward.models.lazy import torch
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.spec.data_spec import DataSpec, Shape, convolves

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler


@final
class GAN(Family, Samples, Decodes):
    """Generative adversarial network: one pass from noise to data, learned in a game against a critic."""

    family: Literal["gan"] = "gan"
    latent: PositiveInt = Field(32, le=1024)
    """Dimensions of the latent code z."""
    width: int | None = Field(None, ge=1, le=2048)
    """Units of a layer, or channels of the first convolution. Left out: chosen by the size of the data."""
    depth: PositiveInt = Field(3, le=8)
    """Hidden layers of the networks, for vectors."""
    game: AnyGame = NonSaturating()
    """The adversarial objective."""
    critic_steps: PositiveInt = Field(1, le=20)
    """Steps of the critic for each step of the generator."""

    optimizer: ClassVar[Adam] = Adam(lr=5e-4, betas=(0.5, 0.999), decay="cosine")

    def check(self, spec: DataSpec) -> None:
        convolves(spec)

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        return networks.Nets(
            spec,
            generator=networks.decoder(spec, self.latent, width=self.width, depth=self.depth, leaky=True),
            critic=networks.encoder(spec, 1, width=self.width, depth=self.depth, normalized=False, leaky=True),
        )

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        u = nets.spec.normalize(batch.x)
        for real in u.chunk(self.critic_steps):  # a short last batch makes fewer shares, never an empty one
            with torch.no_grad():
                fake = self.fake(nets, len(real), batch.rng)
            yield Loss("critic", self.game.critic_loss(nets["critic"], real, fake, batch.rng), ("critic",))
        fake = self.fake(nets, len(u), batch.rng)
        yield Loss("generator", self.game.generator_loss(nets["critic"], fake), ("generator",))

    def fake(self, nets: Nets, n: int, rng: Generator) -> Tensor:
        """N draws of the generator, (n, *shape), network units."""
        return self.push(nets, torch.randn(n, self.latent, generator=rng, device=rng.device))

    def push(self, nets: Nets, z: Tensor) -> Tensor:
        """g(z), network units.  z: (B, Z); returns (B, *shape)."""
        y: Tensor = nets["generator"](z)
        return y if nets.spec.low is None else y.tanh()

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return decoded(self, nets)

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (self.latent,)

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        return noise.normal(0, (self.latent,))

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return nets.spec.denormalize(self.push(nets, z))
