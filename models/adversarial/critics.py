"""A critic for a game and its regularizers, of any architecture; and which of them go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

from pushforward.models import networks
from pushforward.models.adversarial.architectures import Architecture, Size
from pushforward.models.adversarial.contest import Contest, concatenated
from pushforward.models.adversarial.game import Game, SeparableGame
from pushforward.models.adversarial.games.began import BEGAN
from pushforward.models.adversarial.games.wasserstein import Wasserstein
from pushforward.models.adversarial.regularizers.gradient_penalties import GradientPenalty
from pushforward.models.adversarial.regularizers.inputs import MinibatchDeviation, Packing
from pushforward.models.adversarial.regularizers.regularizer import Regularizer
from pushforward.models.adversarial.regularizers.weights import SpectralNorm, WeightClipping
from pushforward.models.lazy import torch
from pushforward.models.spec.data_spec import DataSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pushforward.models.adversarial.contest import Join

FEATURES = 64  # of a row, where a head is made on them
HOLDS = (GradientPenalty, SpectralNorm, WeightClipping)  # of a critic's slope

ConditionedBy = Literal["concatenation", "projection", "classifier"]


@final
@dataclass(frozen=True)
class CriticDesign:
    """What a critic must be, and what it is given.

    Arguments:
        regularizers: those that are chosen; None for what the game needs.
        conditioned_by: how it sees a condition; a classifier tells the label itself and is not given it.
        condition_size: C; 0 for none.
    """

    game: Game
    regularizers: Sequence[Regularizer] | None
    conditioned_by: ConditionedBy = "concatenation"
    condition_size: int = 0

    def build(self, architecture: Architecture, spec: DataSpec, size: Size) -> nn.Module:
        """A new critic of rows of this kind."""
        net = self._net(architecture, spec, size)
        if self._has(SpectralNorm):
            for layer in [
                each for each in net.modules() if isinstance(each, torch.nn.Linear | torch.nn.Conv1d | torch.nn.Conv2d)
            ]:
                torch.nn.utils.parametrizations.spectral_norm(layer)
        return net

    def contest(self, players: Sequence[str], lr_ratio: float, critic: str = "critic") -> Contest:
        """The game of this critic against the networks that draw fakes; both sides by name."""
        return Contest(self.game, self._regularizers, lr_ratio, critic, self.join, players)

    @property
    def join(self) -> Join:
        """RealAndFake and their conditions, as the critic takes them."""
        if isinstance(self.game, BEGAN) or self._projects:
            return _beside
        return _alone if self._classifies else concatenated

    def _net(self, architecture: Architecture, spec: DataSpec, size: Size) -> nn.Module:
        m = next((each.rows for each in self._regularizers if isinstance(each, Packing)), 1)
        n_out, c, sees = self.game.score_size, m * self.condition_size, self.conditioned_by == "concatenation"
        extra = (m - 1) * spec.shape[0] + (c if sees else 0)
        if isinstance(self.game, BEGAN):
            decoder = architecture.generator(spec, FEATURES, size, rows=m)
            return networks.AutoencodingCritic(architecture.critic(spec, FEATURES, size, extra=extra), decoder)
        if self._has(MinibatchDeviation) or self._projects or self._classifies:
            return networks.CriticHead(
                architecture.critic(spec, FEATURES, size, extra=extra),
                FEATURES,
                n_out,
                condition_size=c if self._projects else 0,
                n_classes=self.condition_size if self._classifies else 0,
                deviation=self._has(MinibatchDeviation),
            )
        return architecture.critic(spec, n_out, size, extra=extra)

    @property
    def _regularizers(self) -> Sequence[Regularizer]:
        return chosen(self.game, self.regularizers)

    @property
    def _projects(self) -> bool:
        return self.condition_size > 0 and self.conditioned_by == "projection"

    @property
    def _classifies(self) -> bool:
        return self.condition_size > 0 and self.conditioned_by == "classifier"

    def _has(self, kind: type[Regularizer]) -> bool:
        return any(isinstance(each, kind) for each in self._regularizers)


def chosen(game: Game, regularizers: Sequence[Regularizer] | None) -> Sequence[Regularizer]:
    """What holds the players: what the game needs, where nothing is chosen."""
    return game.regularizers if regularizers is None else regularizers


def check_together(game: Game, given: Sequence[Regularizer] | None, conditioned_by: ConditionedBy) -> None:
    """Refuse what does not go together. Raises ValueError, with the remedy."""
    regularizers = chosen(game, given)
    names = [each.regularizer for each in regularizers]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the regularizer {twice} is there twice; keep one")
    if "label_smoothing" in names and (isinstance(game, Wasserstein) or not isinstance(game, SeparableGame)):
        raise ValueError(f"the game {game.game} has no labels to smooth; leave out label_smoothing, or choose another")
    if "minibatch_deviation" in names and isinstance(game, BEGAN):
        raise ValueError("the critic of began reconstructs each row alone; leave out minibatch_deviation")
    if not game.bounded and not any(isinstance(each, HOLDS) for each in regularizers):
        raise ValueError(
            f"nothing holds the critic's slope, so the game {game.game} has no end; add gradient_penalty, "
            "spectral_norm or weight_clipping"
        )
    if conditioned_by == "projection" and game.score_size > 1:
        raise ValueError(f"a projection adds to one score, and {game.game} has several; choose concatenation")
    if conditioned_by != "concatenation" and isinstance(game, BEGAN):
        raise ValueError("the critic of began sees a condition by concatenation alone")
    if conditioned_by == "classifier" and "packing" in names:
        raise ValueError("a classifier tells the label of a single row; leave out packing")


def with_regularizers(values: Any) -> Any:
    """A configuration of before regularizers stood beside the game: its `gamma` and `penalty` become one."""
    if not isinstance(values, Mapping) or not isinstance(values.get("game"), Mapping):
        return values
    game = dict(values["game"])
    found: list[dict[str, Any]] = []
    if game.get("game") == "non_saturating" and "gamma" in game:
        gamma = game.pop("gamma")
        found = [] if gamma == 0 else [{"regularizer": "r1", "gamma": gamma}]
    elif game.get("game") == "wasserstein" and "penalty" in game:
        found = [{"regularizer": "gradient_penalty", "weight": game.pop("penalty")}]
    else:
        return values
    return {"regularizers": found} | dict(values) | {"game": game}


def _alone(x: Tensor, c: Tensor) -> tuple[Tensor, ...]:
    return (x,)


def _beside(x: Tensor, c: Tensor) -> tuple[Tensor, ...]:
    return (x, c)
