r"""A critic's part in a training: a game, and the regularizers that hold its players.

One contest serves any two batches of rows: data and draws of a generator, codes of a prior and of an encoder, pairs of
both. Each step of a family is

    steps times   the critic descends critic_loss(real, fake) + penalties
    once          the generator descends generator_loss(fake)

Rows are in network units. A condition c, (B, C), goes with each row, real or fake; `join` makes of both what the
critic takes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar, final

from pushforward.models import networks
from pushforward.models.adversarial.game import Game, SeparableGame
from pushforward.models.adversarial.games.began import BEGAN
from pushforward.models.adversarial.regularizers.inputs import InstanceNoise, LabelSmoothing, Packing
from pushforward.models.adversarial.regularizers.regularizer import CriticPenalty, Regularizer, Scored
from pushforward.models.adversarial.regularizers.weights import HistoricalAveraging, Unrolled, WeightClipping
from pushforward.models.lazy import torch
from pushforward.models.losses import Batch, Loss

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pushforward.models.networks import Nets

    Join = Callable[[Tensor, Tensor], tuple[Tensor, ...]]  # rows and their conditions to a critic's arguments


R = TypeVar("R", bound=Regularizer)
GREATEST_SLOPE = 1.0  # of a step that is looked ahead, as a run's steps are clipped unless it says otherwise


class RealAndFake(NamedTuple):
    """What the critic compares: equally many rows of both kinds where it is the critic that learns."""

    real: Tensor  # (B, ...)
    fake: Tensor  # (B', ...)
    c: Tensor  # (B', C), of the fakes
    own: Tensor | None = None  # (B, C), of the real rows, where they have conditions of their own

    @property
    def c_real(self) -> Tensor:
        """The conditions of the real rows, (B, C)."""
        return self.c if self.own is None else self.own


def concatenated(x: Tensor, c: Tensor) -> tuple[Tensor, ...]:
    """The condition as a part of the row."""
    return (networks.concat_condition(x, c),)


@final
@dataclass(frozen=True)
class Contest:
    """A game between the critic and the networks that draw fakes."""

    game: Game
    regularizers: Sequence[Regularizer]
    lr_ratio: float = 1.0  # of the critic, to the run's learning rate
    critic: str = "critic"  # its name among the networks
    join: Join = concatenated
    players: Sequence[str] = ()  # the networks that draw the fakes, by name

    def critic_step(self, nets: Nets, rows: RealAndFake, batch: Batch) -> Iterator[Loss]:
        """A step of the critic: its loss, and when that is descended what follows it."""
        loss, scores = self._critic_loss(nets, self._packed(rows), batch)
        yield loss
        self._after_a_step(nets, batch, scores)

    def generator_loss(self, nets: Nets, rows: RealAndFake, batch: Batch) -> Tensor:
        """The loss of the networks that drew the fakes. Before it, the past of both players takes them in."""
        self._remember(nets, batch.step)
        packed = self._packed(rows)
        critic = self._looking_ahead(nets, packed, batch)
        with torch.no_grad():
            real = critic(*self.join(self._blurred(packed.real, batch), packed.c_real)) if self.game.pairs else None
        fake = critic(*self.join(self._blurred(packed.fake, batch), packed.c))
        loss = self.game.generator_loss(fake, fake[:0] if real is None else real)
        return loss + self._distance_from_history(nets, self.players)

    def add_memory(self, nets: Nets) -> None:
        """Add what the contest keeps between steps to a family's networks."""
        if isinstance(self.game, BEGAN):
            nets[f"{self.critic}_balance"] = networks.Buffer(0.0)
        if _first(self.regularizers, HistoricalAveraging) is not None:
            for name in (self.critic, *self.players):
                nets[f"{name}_history"] = copy.deepcopy(nets[name]).requires_grad_(False)

    def _critic_loss(self, nets: Nets, rows: RealAndFake, batch: Batch) -> tuple[Loss, tuple[Tensor, Tensor]]:
        apart = rows._replace(real=rows.real.detach(), fake=rows.fake.detach())
        value, of_real, of_fake = self._value(nets, nets[self.critic], apart, batch)
        terms = {}
        if isinstance(self.game, BEGAN):
            terms = {f"{self.critic}_convergence": self.game.convergence(of_real.detach(), of_fake.detach())}
        value = value + self._distance_from_history(nets, (self.critic,))
        loss = Loss(self.critic, value, (self.critic,), terms, self.lr_ratio)
        return loss, (of_real.detach(), of_fake.detach())

    def _value(
        self, nets: Nets, critic: Callable[..., Tensor], rows: RealAndFake, batch: Batch
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the critic descends, and its scores of real and of fake rows."""
        penalties = [each for each in self.regularizers if isinstance(each, CriticPenalty)]
        at_rows = any(each.at_rows for each in penalties)
        real, fake = self._scored(critic, rows, batch, slopes=at_rows and not self.game.joint)
        value = self._played(nets, real.scores, fake.scores)
        # The slope of a joint witness at a row is taken while the rows that it is compared with stay where they are.
        at = self._scored(critic, rows, batch, slopes=True) if at_rows and self.game.joint else (real, fake)
        for penalty in penalties:
            value = value + penalty.value(
                lambda x: critic(*self.join(x, rows.c)),
                lambda scores: self.game.witness(scores, real.scores, fake.scores),
                *at,
                batch.rng,
            )
        return value, real.scores, fake.scores

    def _scored(
        self, critic: Callable[..., Tensor], rows: RealAndFake, batch: Batch, *, slopes: bool
    ) -> tuple[Scored, Scored]:
        """Real and fake rows and their scores; with `slopes` the rows require a gradient."""
        scored = []
        for x, c in ((rows.real, rows.c_real), (rows.fake, rows.c)):
            x = self._blurred(x, batch)
            x = x if x.requires_grad or not slopes else x.clone().requires_grad_()
            scored.append(Scored(x, critic(*self.join(x, c))))
        real, fake = scored
        return real, fake

    def _played(self, nets: Nets, real: Tensor, fake: Tensor) -> Tensor:
        """The game's loss for the critic, with smoothed labels where they are chosen."""
        if isinstance(self.game, BEGAN):
            return self.game.controlled_loss(real, fake, nets[f"{self.critic}_balance"]())
        smoothing = _first(self.regularizers, LabelSmoothing)
        if smoothing is None or not isinstance(self.game, SeparableGame):
            return self.game.critic_loss(real, fake)
        of_real = torch.lerp(self.game.of_real(real), self.game.of_fake(real), smoothing.share)
        return of_real.mean() + self.game.of_fake(fake).mean()

    def _after_a_step(self, nets: Nets, batch: Batch, scores: tuple[Tensor, Tensor]) -> None:
        """What happens when the critic has moved."""
        with torch.no_grad():
            if isinstance(self.game, BEGAN):
                k = nets.get_buffer(f"{self.critic}_balance.value")
                k.copy_(self.game.next_k(k, *scores))
            if (clipping := _first(self.regularizers, WeightClipping)) is not None:
                for weight in nets[self.critic].parameters():
                    weight.clamp_(-clipping.limit, clipping.limit)

    def _remember(self, nets: Nets, step: int) -> None:
        """Take the weights of both players into the means of their pasts, once a step."""
        if _first(self.regularizers, HistoricalAveraging) is None:
            return
        with torch.no_grad():
            for name in (self.critic, *self.players):
                for mean, now in zip(nets[f"{name}_history"].parameters(), nets[name].parameters(), strict=True):
                    mean.lerp_(now, 1 / (step + 2))

    def _distance_from_history(self, nets: Nets, players: Sequence[str]) -> Tensor | float:
        averaging = _first(self.regularizers, HistoricalAveraging)
        if averaging is None:
            return 0.0
        pairs = [
            (now, past)
            for name in players
            for now, past in zip(nets[name].parameters(), nets[f"{name}_history"].parameters(), strict=True)
        ]
        return averaging.weight * sum(((now - past) ** 2).sum() for now, past in pairs)

    def _looking_ahead(self, nets: Nets, rows: RealAndFake, batch: Batch) -> Callable[..., Tensor]:
        """The critic, or what further steps of plain descent would make of it, with its penalties and clipping."""
        critic: nn.Module = nets[self.critic]
        unrolled = _first(self.regularizers, Unrolled)
        if unrolled is None:
            return critic
        clipping = _first(self.regularizers, WeightClipping)
        n = min(len(rows.real), len(rows.fake))
        rows = RealAndFake(rows.real[:n], rows.fake[:n], rows.c[:n], rows.c_real[:n])
        weights: dict[str, Tensor] = dict(critic.named_parameters())
        for _ in range(unrolled.steps):
            loss, _, _ = self._value(nets, _with(critic, weights), rows, batch)
            slopes = torch.autograd.grad(loss, list(weights.values()), create_graph=True, materialize_grads=True)
            length = torch.stack([slope.detach().norm() for slope in slopes]).norm()
            rate = unrolled.lr / length.clamp_min(GREATEST_SLOPE)
            weights = {
                name: weight - rate * slope for (name, weight), slope in zip(weights.items(), slopes, strict=True)
            }
            if clipping is not None:
                weights = {name: weight.clamp(-clipping.limit, clipping.limit) for name, weight in weights.items()}
        return _with(critic, weights)

    def _blurred(self, x: Tensor, batch: Batch) -> Tensor:
        noise = _first(self.regularizers, InstanceNoise)
        if noise is None or (sigma := noise.scale(batch.step, batch.total_steps)) == 0:
            return x
        eps = torch.randn(x.shape, generator=batch.rng, device=x.device, dtype=x.dtype)
        return x + sigma * eps

    def _packed(self, rows: RealAndFake) -> RealAndFake:
        packing = _first(self.regularizers, Packing)
        if packing is None:
            return rows
        m = packing.rows
        own = None if rows.own is None else packed(rows.own, m)
        return RealAndFake(packed(rows.real, m), packed(rows.fake, m), packed(rows.c, m), own)


def packed(x: Tensor, m: int) -> Tensor:
    """m rows as one, (B, C, ...) to (B // m, m C, ...); a batch of fewer rows repeats them."""
    if len(x) < m:
        x = x[torch.arange(m, device=x.device) % len(x)]
    n = len(x) // m
    return x[: n * m].reshape(n, m * x.shape[1], *x.shape[2:])


def _with(critic: nn.Module, weights: dict[str, Tensor]) -> Callable[..., Tensor]:
    """A critic of other weights."""
    return lambda *inputs: torch.func.functional_call(critic, weights, inputs)


def _first(regularizers: Sequence[Regularizer], kind: type[R]) -> R | None:
    return next((each for each in regularizers if isinstance(each, kind)), None)
