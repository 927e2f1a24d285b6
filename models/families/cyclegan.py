r"""CycleGAN: translation between two domains, learned from rows of either that are not paired.

A generator G takes rows of the domain A to the domain B, F takes rows of B to A, and a critic of each domain plays a
game (`models.adversarial.games`) with the generator that draws its fakes. A cycle must lead back, and a row that lies
in a generator's target already should stay as it is:

    cycle(G, F)     = E_A |F(G(a)) - a| + E_B |G(F(b)) - b|
    identity(G, F)  = E_B |G(b) - b|    + E_A |F(a) - a|
    L(G, F)         = L_game(G) + L_game(F) + 10 cycle(G, F) + 5 identity(G, F)

where |.| is the mean over elements. Each step

    once:  each critic descends critic_loss(real rows, fakes from a pool of 50), and its penalties,
    once:  G and F descend L(G, F), against the critics that have just moved.

The pool shows the critic earlier fakes among new ones (`networks.TranslationPool`). A batch gives as many rows of
either domain as it has of the rarer one.

**What it cannot know.** Cycles are the same for (G, F) and (G s, s^-1 F), for every s that maps A to itself, so among
translations that are equally good matches of distributions, chance and the identity loss choose. Where A looks the
same after half a turn, a quarter turn to the left is as good as one to the right.

References:
    | Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks (Zhu et al., 2017),
      https://arxiv.org/abs/1703.10593
    | Least Squares Generative Adversarial Networks (Mao et al., 2016), https://arxiv.org/abs/1611.04076
    | Unsupervised Cross-Domain Image Generation (Taigman et al., 2016), https://arxiv.org/abs/1611.02200: identity
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, Self, final

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pushforward.models import networks
from pushforward.models.adversarial.architectures import AnyArchitecture, Plain, Size
from pushforward.models.adversarial.contest import Contest, RealAndFake
from pushforward.models.adversarial.critics import CriticDesign, check_together
from pushforward.models.adversarial.games import AnyGame, LeastSquares
from pushforward.models.adversarial.regularizers import AnyRegularizer
from pushforward.models.errors import InvalidData
from pushforward.models.family import Conditions, Family, Translates
from pushforward.models.lazy import torch
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.networks import Nets

GENERATORS = ("a_to_b", "b_to_a")


@final
class CycleGAN(Family, Translates, Conditions):
    """CycleGAN: translates between two domains that are told apart by a label, without pairs."""

    family: Literal["cyclegan"] = "cyclegan"
    width: int | None = Field(None, ge=1, le=2048)
    """Units of a layer, or channels of the convolutions. Left out: chosen by the size of the data."""
    depth: PositiveInt = Field(3, le=16)
    """Hidden layers of the networks, for vectors; residual blocks of a generator, for images."""
    network: AnyArchitecture = Plain()
    """The architecture of the critics; generators are perceptrons for vectors, residual convolutions for images."""
    game: AnyGame = LeastSquares()
    """The adversarial objective, in each domain."""
    regularizers: tuple[AnyRegularizer, ...] | None = Field(None, max_length=8)
    """What holds the critics, and all players. Left out: what the game needs."""
    critic_lr_ratio: PositiveFloat = Field(1.0, le=100.0)
    """Learning rate of the critics, as a multiple of the generators'."""
    cycle: NonNegativeFloat = 10.0
    """Weight of the cycle loss."""
    identity: NonNegativeFloat = 5.0
    """Weight of the identity loss; 0 where a row of one domain makes no sense in the other."""
    pool: NonNegativeInt = Field(50, le=10_000)
    """Earlier fakes that are kept for each critic; 0 for none."""

    optimizer: ClassVar[Adam] = Adam(lr=5e-4, betas=(0.5, 0.999), decay="cosine")
    fits_data: ClassVar[bool] = False

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        check_together(self.game, self.regularizers, "concatenation")
        return self

    @property
    def notes(self) -> tuple[str, ...]:
        return self.game.notes

    def check(self, spec: DataSpec) -> None:
        self.network.check(spec)
        if spec.condition is not None and not _are_two(spec):
            raise InvalidData(
                "cyclegan translates between two labels, and these data have another condition; choose a source of two "
                "domains, such as turned_moons with the condition label, or train stargan, which takes more labels and "
                "vectors of 0 and 1",
                field="run.data.condition",
            )

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        if not _are_two(spec):
            raise InvalidData(
                "cyclegan translates between two labels; give data with a label", field="run.data.condition"
            )
        size = Size(self.width, self.depth)
        nets = networks.Nets(spec, **{name: self.network.translator(spec, size) for name in GENERATORS})
        for domain, player in (("a", "b_to_a"), ("b", "a_to_b")):
            nets[f"critic_{domain}"] = self._design.build(self.network, spec, size)
            self._contest(domain, player).add_memory(nets)
            if self.pool:
                nets[f"pool_{domain}"] = networks.TranslationPool(self.pool, spec.shape)
        return nets

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        u = nets.spec.normalize(batch.x)
        of_a, of_b = (u[batch.c[:, label] == 1] for label in (0, 1))
        n = min(len(of_a), len(of_b))
        if n == 0:
            return
        a, b = of_a[:n], of_b[:n]
        yield from self._critic_step(nets, "a", "b_to_a", a, b, batch)
        yield from self._critic_step(nets, "b", "a_to_b", b, a, batch)
        yield self._loss_of_generators(nets, a, b, batch)

    def _critic_step(
        self, nets: Nets, domain: str, player: str, real: Tensor, start: Tensor, batch: Batch
    ) -> Iterator[Loss]:
        """A step of one critic, against the generator that fills its domain."""
        with torch.no_grad():
            fake = self.push(nets, player, start)
        shown = nets[f"pool_{domain}"](fake, batch.rng) if self.pool else fake
        yield from self._contest(domain, player).critic_step(nets, _rows(real, shown), batch)

    def _loss_of_generators(self, nets: Nets, a: Tensor, b: Tensor, batch: Batch) -> Loss:
        to_b, to_a = self.push(nets, "a_to_b", a), self.push(nets, "b_to_a", b)
        played = self._contest("b", "a_to_b").generator_loss(nets, _rows(b, to_b), batch)
        played = played + self._contest("a", "b_to_a").generator_loss(nets, _rows(a, to_a), batch)
        cycle = distance(self.push(nets, "b_to_a", to_b), a) + distance(self.push(nets, "a_to_b", to_a), b)
        value, terms = played + self.cycle * cycle, {"cycle_l1": cycle}
        if self.identity:
            identity = distance(self.push(nets, "a_to_b", b), b) + distance(self.push(nets, "b_to_a", a), a)
            value, terms = value + self.identity * identity, terms | {"identity_l1": identity}
        return Loss("generators", value, GENERATORS, terms)

    def push(self, nets: Nets, name: str, u: Tensor) -> Tensor:
        """G(u) or F(u), network units.  u: (B, *shape)."""
        y: Tensor = nets[name](u)
        return nets.within_range(y)

    def translate(self, nets: Nets, x: Tensor, to: Tensor, c: Tensor) -> Tensor:
        """Rows that are there already stay as they are."""
        u, translated = nets.spec.normalize(x), x.clone()
        for label, name in enumerate(GENERATORS):
            go = (c[:, label] == 1) & (to[:, label] == 0)
            if go.any():
                translated[go] = nets.spec.denormalize(self.push(nets, name, u[go])).to(x.dtype)
        return translated

    def other(self, nets: Nets, c: Tensor) -> Tensor:
        return c.flip(1)

    @property
    def _design(self) -> CriticDesign:
        return CriticDesign(self.game, self.regularizers)

    def _contest(self, domain: str, player: str) -> Contest:
        return self._design.contest((player,), self.critic_lr_ratio, f"critic_{domain}")


def distance(x: Tensor, y: Tensor) -> Tensor:
    """The mean absolute difference of elements."""
    return (x - y).abs().mean()


def _rows(real: Tensor, fake: Tensor) -> RealAndFake:
    return RealAndFake(real, fake, real.new_empty(len(real), 0))


def _are_two(spec: DataSpec) -> bool:
    return isinstance(spec.condition, Labels) and spec.condition.n_classes == 2
