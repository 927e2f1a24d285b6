"""A training between two steps: networks, their moving average, optimizers.

References:
    | Acceleration of Stochastic Approximation by Averaging (Polyak & Juditsky, 1992), doi:10.1137/0330046
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, final

import torch
from torch import Tensor

from pushforward.models.family import Family
from pushforward.models.form import form_of
from pushforward.models.networks import Nets
from pushforward.models.run import Run
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.storage.card import Curve
from pushforward.models.training.compute.adam import AdamW
from pushforward.models.training.compute.ranks import Ranks
from pushforward.models.training.data import TrainingData

NORMS = 10_000  # kept of each loss


class Averaged(NamedTuple):
    """Tensors of the average and of the networks, in one order."""

    means: list[Tensor]
    weights: list[Tensor]
    buffer_copies: list[Tensor]
    buffers: list[Tensor]


@final
@dataclass(frozen=True)
class Start:
    """Where a training began: at zero with fresh weights, or from what another training left."""

    name: str | None = None  # of what it started from, for people; None: fresh weights
    step: int = 0  # the last of the training that it continues
    earlier_steps: int = 0  # of all trainings whose steps do not count in `step`
    notes: tuple[str, ...] = ()  # for users of the model, a sentence each

    @property
    def trained_steps(self) -> int:
        """Steps of all trainings before this one."""
        return self.earlier_steps + self.step


@dataclass
class TrainingState:
    """A training between two steps."""

    run: Run
    step: int  # steps done
    total_steps: int  # the last step; 0 where it is not known before the pace is measured
    fingerprint: str  # of the data
    nets: Nets
    average: Nets  # exponential moving average of the weights
    card_spec: DataSpec | None = None  # of the data with constant columns, for the card
    notes: tuple[str, ...] = ()
    optimizers: dict[str, AdamW] = field(default_factory=dict)  # by loss name
    losses: dict[str, Tensor] = field(default_factory=dict)  # of the last step, by name: scalars
    gradient_norms: dict[str, deque[float]] = field(default_factory=dict)  # of the latest steps, by loss name
    curve: Curve | None = None  # up to this step
    best: Nets | None = None  # the average at the curve's lowest point
    ranks: Ranks | None = None  # that compute a batch side by side; None: this process computes all of it
    accumulate: int = 1  # parts of a batch on each device: those of the run, or more where memory did not hold them
    start: Start = Start()
    seconds: float = 0.0  # of this training, as far as it is done
    ended: str | None = None  # why it ended early, a sentence

    @cached_property
    def family(self) -> Family:
        """The run's family in its form for these data."""
        return form_of(self.run.family, self.card_spec or self.nets.spec)

    @property
    def steps_done(self) -> int:
        """Steps of this training that are done."""
        return self.step - self.start.step

    @property
    def steps_planned(self) -> int:
        """Steps of this training in all."""
        return self.total_steps - self.start.step

    @property
    def served(self) -> Nets:
        """The weights that a model is made of: those of the curve's lowest point, where there is one."""
        return self.average if self.best is None else self.best

    @property
    def n_parts(self) -> int:
        """The parts of a batch on all devices. Where there are no ranks, this process computes them all."""
        return self.accumulate * self.run.devices

    @property
    def leads(self) -> bool:
        """Whether this process measures, writes and tells."""
        return self.ranks is None or self.ranks.leads

    def optimizer(self, loss: str, weights: Sequence[Tensor]) -> AdamW:
        """The Adam of a loss, made for these weights at its first use."""
        if loss not in self.optimizers:
            self.optimizers[loss] = AdamW.of(weights)
        return self.optimizers[loss]

    def note_norm(self, loss: str, norm: float) -> None:
        """Keep the norm of a loss's gradient, for whoever watches."""
        self.gradient_norms.setdefault(loss, deque(maxlen=NORMS)).append(norm)

    def weights(self, nets: tuple[str, ...]) -> list[Tensor]:
        """The parameters of these networks, or of these parts of networks."""
        if nets not in self._weights:
            self._weights[nets] = [p for name in nets for p in self.nets.get_submodule(name).parameters()]
        return self._weights[nets]

    @cached_property
    def averaged(self) -> Averaged:
        """Tensors for `average_weights`, collected once: collecting them takes as long as a small step."""
        return Averaged(
            list(self.average.parameters()),
            list(self.nets.parameters()),
            list(self.average.buffers()),
            list(self.nets.buffers()),
        )

    @cached_property
    def _weights(self) -> dict[tuple[str, ...], list[Tensor]]:
        return {}


def fresh(run: Run, data: TrainingData, device: torch.device) -> TrainingState:
    """The state before the first step; initial weights are a function of the run's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        nets = form_of(run.family, data.spec).build(data.spec)
    nets = nets.to(device)
    average = copy.deepcopy(nets).requires_grad_(False).eval()
    total = run.budget.total_steps(data.n_rows, run.optimizer.batch_size) or 0
    state = TrainingState(run, 0, total, data.fingerprint, nets, average, data.card_spec, data.notes)
    state.accumulate = run.optimizer.accumulate
    return state


def device_of(state: TrainingState) -> torch.device:
    """The device of its networks."""
    return next(state.nets.parameters()).device
