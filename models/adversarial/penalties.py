r"""D(Q, P): how far codes z_1..z_n ~ Q are from draws z'_1..z'_n of the prior P.

    mmd:          1/(n (n-1)) sum_{i != j} [k(z_i, z_j) + k(z'_i, z'_j)] - 2/n^2 sum_{i, j} k(z_i, z'_j)
    sliced:       E_theta W_2^2(theta^T Q, theta^T P), theta uniform on the sphere; in one dimension, sort and subtract
    adversarial:  the encoder's loss against a critic of codes (`models.adversarial.games`), draws of P being real

The first is an unbiased estimate of the squared maximum mean discrepancy and so may be negative; the second is positive
even where Q = P, by an amount that falls with n. The third has a critic, trained first in each step: the non-saturating
game is that of adversarial autoencoders and WAE-GAN, the Wasserstein game estimates W1(P, Q) up to a constant, E_P f.

Where each row has a condition c_i, Q is the joint distribution of (z_i, c_i) and P that of (z'_i, c_i): the prior and
the conditions, independent. Codes that tell the condition are then as far from the prior as others that miss it:

    mmd:          the kernel is k(z, z') exp(-|c - c'|^2 / 2) (`discrepancies.mmd2_given`)
    sliced:       theta is uniform on the sphere of z and c together, and the mean over it is taken (Z + C) / Z times:
                  a shift of all codes counts as it does without conditions
    adversarial:  the critic of codes sees c

Example:
    >>> import torch
    >>> from pushforward.models.adversarial.penalties import MMD
    >>> rng = torch.Generator().manual_seed(0)
    >>> prior, near, far = torch.randn(3, 200, 2, generator=rng)
    >>> c = torch.empty(200, 0)  # no condition
    >>> MMD().value(far + 2, prior, c, rng) > 10 * MMD().value(near, prior, c, rng)
    tensor(True)

References:
    | A Kernel Two-Sample Test (Gretton et al., 2012), JMLR 13
    | Wasserstein Auto-Encoders (Tolstikhin et al., 2017), https://arxiv.org/abs/1711.01558
    | Sliced-Wasserstein Autoencoder (Kolouri et al., 2018), https://arxiv.org/abs/1804.01947
    | Adversarial Autoencoders (Makhzani et al., 2015), https://arxiv.org/abs/1511.05644
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, final

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pushforward.models.adversarial.architectures import Plain, Size
from pushforward.models.adversarial.contest import Contest, RealAndFake
from pushforward.models.adversarial.critics import CriticDesign, check_together, with_regularizers
from pushforward.models.adversarial.discrepancies import mmd2, mmd2_given
from pushforward.models.adversarial.games import AnyGame, NonSaturating
from pushforward.models.adversarial.kernels import IMQ, AnyKernel
from pushforward.models.adversarial.regularizers import AnyRegularizer
from pushforward.models.config.config import Config
from pushforward.models.lazy import F, torch
from pushforward.models.losses import Batch, Loss
from pushforward.models.spec.data_spec import DataSpec

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Generator, Tensor

    from pushforward.models.networks import Nets


class Penalty(Config, ABC):
    """How far codes are from the prior."""

    penalty: str  # a Literal with a default in each final penalty


class Divergence(Penalty, ABC):
    """A divergence of two distributions, computed from draws of both."""

    @abstractmethod
    def value(
        self, z: Float[Tensor, "N D"], prior: Float[Tensor, "N D"], c: Float[Tensor, "N C"], rng: Generator
    ) -> Float[Tensor, ""]:
        """D(Q, P), of as many draws of each; c goes with both, and different conditions are about 1 apart."""


@final
class MMD(Divergence):
    """Squared maximum mean discrepancy, a U-statistic."""

    penalty: Literal["mmd"] = "mmd"
    kernel: AnyKernel = IMQ()
    """The kernel."""

    def value(
        self, z: Float[Tensor, "N D"], prior: Float[Tensor, "N D"], c: Float[Tensor, "N C"], rng: Generator
    ) -> Float[Tensor, ""]:
        return mmd2_given(self.kernel, z, prior, c) if c.shape[1] else mmd2(self.kernel, z, prior)


@final
class Sliced(Divergence):
    """Squared 2-Wasserstein distance, averaged over random directions."""

    penalty: Literal["sliced"] = "sliced"
    directions: PositiveInt = Field(128, le=4096)
    """Random directions that codes are projected on."""

    def value(
        self, z: Float[Tensor, "N D"], prior: Float[Tensor, "N D"], c: Float[Tensor, "N C"], rng: Generator
    ) -> Float[Tensor, ""]:
        z, prior = (torch.cat([codes, c], 1) for codes in (z, prior))
        theta = torch.randn(z.shape[1], self.directions, generator=rng, device=z.device, dtype=z.dtype)
        theta = F.normalize(theta, dim=0)
        of_directions = ((z @ theta).sort(0).values - (prior @ theta).sort(0).values).square().mean()
        return of_directions * (z.shape[1] / (z.shape[1] - c.shape[1]))


@final
class Adversarial(Penalty):
    """A game of the encoder against a critic of its codes: with `wasserstein` the distance W1, else a GAN's."""

    penalty: Literal["adversarial"] = "adversarial"
    game: AnyGame = NonSaturating()
    """The adversarial objective."""
    regularizers: tuple[AnyRegularizer, ...] | None = Field(None, max_length=8)
    """What holds the critic. Left out: what the game needs."""
    steps: PositiveInt = Field(1, le=20)
    """Steps of the critic for each step of the autoencoder."""
    width: PositiveInt = Field(128, le=2048)
    """Units of a layer of the critic."""
    depth: PositiveInt = Field(2, le=8)
    """Hidden layers of the critic."""

    lr_ratio: PositiveFloat = Field(1.0, le=100.0)
    """Learning rate of the critic, as a multiple of the autoencoder's."""

    @model_validator(mode="before")
    @classmethod
    def _read_older(cls, values: Any) -> Any:
        return with_regularizers(values)

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        check_together(self.game, self.regularizers, "concatenation")
        return self

    def add_critic(self, nets: Nets, latent: int) -> None:
        """Add a critic of codes and conditions, (B, latent + C) to scores, to the networks of an autoencoder."""
        codes, design = DataSpec(shape=(latent,)), self._design(nets.spec.condition_size)
        nets["critic"] = design.build(Plain(), codes, Size(self.width, self.depth))
        self._contest.add_memory(nets)

    def critic_losses(
        self, nets: Nets, z: Float[Tensor, "N D"], prior: Float[Tensor, "N D"], batch: Batch
    ) -> Iterator[Loss]:
        """The losses of the critic's steps, each on its own part of the draws."""
        parts = (rows.chunk(self.steps) for rows in (prior, z.detach(), batch.c))
        for real, fake, c in zip(*parts, strict=True):
            yield from self._contest.critic_step(nets, RealAndFake(real, fake, c), batch)

    def value(
        self, nets: Nets, z: Float[Tensor, "N D"], prior: Float[Tensor, "N D"], batch: Batch
    ) -> Float[Tensor, ""]:
        """The loss of the encoder against the critic as it is."""
        return self._contest.generator_loss(nets, RealAndFake(prior, z, batch.c), batch)

    def _design(self, condition_size: int = 0) -> CriticDesign:
        return CriticDesign(self.game, self.regularizers, condition_size=condition_size)

    @property
    def _contest(self) -> Contest:
        return self._design().contest(("encoder", "decoder"), self.lr_ratio)


AnyPenalty = Annotated[MMD | Sliced | Adversarial, Field(discriminator="penalty")]
