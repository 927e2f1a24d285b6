r"""Puzzle-GAN: a whole image from a few of its patches, in no order and without their places.

Of an image y, N patches x = {x_1, ..., x_N} are cut at places drawn uniformly; the mask M is 1 where they are. An
encoder reads each patch alone, and the sum of what it reads, which has no order, goes with z ~ N(0, I) to a generator
of an image and a mask, (G_I, G_M). The critic scores pairs of an image and a mask. Generator and encoder descend

    adversarial  generator_loss(f(G_I, G_M)),  where f compares (y, M) with (G_I, G_M)
    spatial      lambda_S mean |G_M - M|                           where the patches belong
    appearance   lambda_A mean |G_I - y| over the pixels of M      that they are there, as they were given

A mask has a channel beside the image's. The patches of a request are those of one image, as many and as large as in
training; `complete` returns G_I. Another z gives another image, but where patches tell most of it, as here, a little
other. There is no likelihood, and nothing is drawn without patches.

References:
    | Unsupervised Holistic Image Generation from Key Local Patches (Lee et al., 2017), https://arxiv.org/abs/1703.10730
    | Deep Sets (Zaheer et al., 2017), https://arxiv.org/abs/1703.06114
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Self, final

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from pushforward.models import networks
from pushforward.models.adversarial.architectures import AnyArchitecture, Plain, Size
from pushforward.models.adversarial.contest import Contest, RealAndFake
from pushforward.models.adversarial.critics import CriticDesign, check_together
from pushforward.models.adversarial.games import AnyGame, NonSaturating
from pushforward.models.adversarial.regularizers import AnyRegularizer
from pushforward.models.errors import InvalidData
from pushforward.models.family import Completes, Conditions, Diagnoses, Family
from pushforward.models.lazy import torch
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.spec.requirements import convolves

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise

PLAYERS = ("encoder", "generator")


class Cut(NamedTuple):
    """Patches of images, and where they were."""

    patches: Tensor  # (B, N, C, s, s)
    mask: Tensor  # (B, 1, H, W), 1 or 0


class Whole(NamedTuple):
    """What the generator makes of patches, network units."""

    image: Tensor  # (B, C, H, W)
    mask: Tensor  # (B, 1, H, W), between 0 and 1

    @property
    def pair(self) -> Tensor:
        """What the critic scores, (B, C + 1, H, W)."""
        return torch.cat(self, 1)


@final
class PuzzleGAN(Family, Completes, Conditions, Diagnoses):
    """Puzzle-GAN: a whole image from a few of its patches, in no order and without their places."""

    family: Literal["puzzle_gan"] = "puzzle_gan"
    patches: PositiveInt = Field(3, le=16)
    """How many patches an image is made from, N."""
    side: int | None = Field(None, ge=1, le=32)
    """Side of a patch, pixels. Left out: a third of the image's shorter side."""
    latent: PositiveInt = Field(16, le=1024)
    """Dimensions of the latent code z."""
    features: PositiveInt = Field(256, le=1024)
    """Numbers that the encoder makes of a patch."""
    width: int | None = Field(None, ge=1, le=2048)
    """Channels of the first convolution. Left out: chosen by the size of the data."""
    depth: PositiveInt = Field(3, le=8)
    """Hidden layers of the encoder."""
    spatial: NonNegativeFloat = 5.0
    """Weight of the spatial loss, lambda_S."""
    appearance: NonNegativeFloat = 20.0
    """Weight of the appearance loss, lambda_A."""
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

    optimizer: ClassVar[Adam] = Adam(lr=2e-3, betas=(0.5, 0.999), decay="cosine")

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        check_together(self.game, self.regularizers, "concatenation")
        return self

    @property
    def notes(self) -> tuple[str, ...]:
        return self.game.notes

    def check(self, spec: DataSpec) -> None:
        self.network.check(spec)
        if not (spec.is_image and convolves(spec)):
            message = f"puzzle_gan takes images, not rows of shape {list(spec.shape)}; train gan"
            raise InvalidData(message, field="run.data")
        _, height, width = spec.shape
        if self.patch_side(spec) > min(height, width):
            raise InvalidData(
                f"a patch of side {self.side} does not fit into {height}x{width}; choose a smaller one",
                field="run.family.side",
            )

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        size, n_in = Size(self.width, self.depth), self.features + self.latent + spec.condition_size
        pairs = spec.model_copy(update={"shape": (spec.shape[0] + 1, *spec.shape[1:])})
        _, *patch_shape = self.patches_shape(spec)
        nets = networks.Nets(
            spec,
            encoder=networks.PatchEncoder(tuple(patch_shape), self.features, width=self.features, depth=self.depth),
            generator=self.network.generator(pairs, n_in, size),
            critic=self._design(spec).build(self.network, pairs, size),
        )
        self.contest(spec).add_memory(nets)
        return nets

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        u, contest = nets.spec.normalize(batch.x), self.contest(nets.spec)
        shares = (batch.divided(each, self.critic_steps) for each in (u, batch.c))
        for y, c in zip(*shares, strict=True):
            cut = self.cut(nets.spec, y, self.places(nets.spec, len(y), batch.rng))
            with torch.no_grad():
                fake = self._drawn(nets, cut, c, batch.rng)
            yield from contest.critic_step(nets, RealAndFake(Whole(y, cut.mask).pair, fake.pair, c), batch)
        cut = self.cut(nets.spec, u, self.places(nets.spec, len(u), batch.rng))
        whole = self._drawn(nets, cut, batch.c, batch.rng)
        pairs = RealAndFake(Whole(u, cut.mask).pair, whole.pair, batch.c)
        adversarial = contest.generator_loss(nets, pairs, batch)
        spatial, appearance = spatial_loss(whole, cut), appearance_loss(whole, u, cut)
        value = adversarial + self.spatial * spatial + self.appearance * appearance
        yield Loss("generator", value, PLAYERS, {"spatial": spatial.detach(), "appearance": appearance.detach()})

    def patch_side(self, spec: DataSpec) -> int:
        """Pixels of a side of a patch, s."""
        return self.side or max(1, round(min(spec.shape[1:]) / 3))

    def patches_shape(self, spec: DataSpec) -> Shape:
        side = self.patch_side(spec)
        return (self.patches, spec.shape[0], side, side)

    def cut(self, spec: DataSpec, y: Tensor, places: Tensor) -> Cut:
        """The patches of images at these places.  y: (B, C, H, W); places: (B, N, 2), their upper left pixels."""
        side = self.patch_side(spec)
        windows = y.unfold(2, side, 1).unfold(3, side, 1).permute(0, 2, 3, 1, 4, 5)  # (B, H', W', C, s, s)
        row = torch.arange(len(y), device=y.device)[:, None]
        patches = windows[row, places[..., 0], places[..., 1]]
        return Cut(patches, mask_of(places, side, spec.shape[1:]))

    def push(self, nets: Nets, patches: Tensor, z: Tensor, c: Tensor) -> Whole:
        """(G_I, G_M).  patches: (B, N, C, s, s), network units; z: (B, Z); c: (B, C)."""
        code = torch.cat([nets["encoder"](patches), z, c], 1)
        y: Tensor = nets["generator"](code)
        image, mask = y[:, :-1], y[:, -1:].sigmoid()
        return Whole(nets.within_range(image), mask)

    def complete(self, nets: Nets, patches: Tensor, noise: Noise, c: Tensor) -> Tensor:
        z = noise.normal(0, (self.latent,))
        return nets.spec.denormalize(self.push(nets, nets.spec.normalize(patches), z, c).image)

    def diagnose(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise) -> dict[str, float]:
        spec = nets.spec
        side = torch.tensor([n - self.patch_side(spec) + 1 for n in spec.shape[1:]], device=x.device)
        places = (noise.uniform(1, (self.patches, 2)) * side).long()
        u = spec.normalize(x)
        cut = self.cut(spec, u, places)
        whole = self.push(nets, cut.patches, noise.normal(0, (self.latent,)), c)
        units = spec.scale[0]
        return {
            "completion_mae_in_patches": units * appearance_loss(whole, u, cut).item(),
            "completion_mae": units * (whole.image - u).abs().mean().item(),
            "completion_mask_error": spatial_loss(whole, cut).item(),
        }

    def contest(self, spec: DataSpec) -> Contest:
        """The game against the critic."""
        return self._design(spec).contest(PLAYERS, self.critic_lr_ratio)

    def _drawn(self, nets: Nets, cut: Cut, c: Tensor, rng: Generator) -> Whole:
        return self.push(nets, cut.patches, torch.randn(len(c), self.latent, generator=rng, device=rng.device), c)

    def places(self, spec: DataSpec, n: int, rng: Generator) -> Tensor:
        """Upper left pixels of patches, uniform, (n, N, 2)."""
        ends = (extent - self.patch_side(spec) + 1 for extent in spec.shape[1:])
        return torch.stack([torch.randint(end, (n, self.patches), generator=rng, device=rng.device) for end in ends], 2)

    def _design(self, spec: DataSpec) -> CriticDesign:
        return CriticDesign(self.game, self.regularizers, "concatenation", spec.condition_size)


def mask_of(places: Tensor, side: int, extent: Shape) -> Tensor:
    """1 where patches are, else 0, (B, 1, H, W).  places: (B, N, 2)."""
    inside = []
    for axis, n in enumerate(extent):
        behind = torch.arange(n, device=places.device) - places[..., axis, None]  # (B, N, n)
        inside.append((behind >= 0) & (behind < side))
    covered = inside[0][..., :, None] & inside[1][..., None, :]  # (B, N, H, W)
    return covered.any(1, keepdim=True).float()


def spatial_loss(whole: Whole, cut: Cut) -> Tensor:
    """Mean |G_M - M|."""
    return (whole.mask - cut.mask).abs().mean()


def appearance_loss(whole: Whole, y: Tensor, cut: Cut) -> Tensor:
    """Mean |G_I - y| over the pixels of patches."""
    return ((whole.image - y).abs() * cut.mask).sum() / (cut.mask.sum() * y.shape[1])
