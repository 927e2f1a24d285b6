"""The training loop: one flat generator for every family.

    for state in train(run, data, state): ...        # stop iterating to stop training

Everything random in step t is a function of (run.seed, t): the rows of its batch, the noise of its losses. So the
state is the step, the weights, their moving average and the optimizers, and a resumed training continues
bit-for-bit.

References:
    | Acceleration of Stochastic Approximation by Averaging (Polyak & Juditsky, 1992), doi:10.1137/0330046
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from math import ceil, cos, isfinite, pi
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.training import curve
from models.training.adam import AdamW
from models.storage.card import Curve
from models.data import Finite, Rows, Source, Toy
from models.data.diagnosis import diagnose
from models.errors import Diverged, InvalidData
from models.family import Adam, Batch, Loss
from models.networks import Nets
from models.run import Run
from models.spec.data_spec import DataSpec

VALIDATION_SHARE = 0.1  # of the rows of a finite source, at most VALIDATION_ROWS
VALIDATION_ROWS = 5_000


@dataclass(frozen=True)
class TrainingData:
    """What a run trains and is validated on."""

    spec: DataSpec
    source: Source
    train: Rows | Toy  # rows in memory, or a density drawn from afresh
    validation: Rows
    fingerprint: str
    notes: tuple[str, ...] = ()  # on what whoever asks a model of them should know, a sentence each
    card_spec: DataSpec | None = None  # where some columns never vary: of rows with them, which are left out here

    @property
    def n_rows(self) -> int | None:
        """Training rows; None where they are drawn afresh."""
        return len(self.train.x) if isinstance(self.train, Rows) else None


class Averaged(NamedTuple):
    """Tensors of the average and of the networks, in one order."""

    means: list[Tensor]
    weights: list[Tensor]
    buffer_copies: list[Tensor]
    buffers: list[Tensor]


@dataclass
class State:
    """A training between two steps."""

    run: Run
    step: int  # steps done
    total_steps: int
    fingerprint: str  # of the data
    nets: Nets
    average: Nets  # exponential moving average of the weights
    card_spec: DataSpec | None = None  # of the data, for the card, as are
    notes: tuple[str, ...] = ()
    optimizers: dict[str, AdamW] = field(default_factory=dict)  # by loss name
    losses: dict[str, Tensor] = field(default_factory=dict)  # of the last step, by name: scalars
    curve: Curve | None = None  # as far as it has come
    best: Nets | None = None  # the average at the curve's lowest point

    @property
    def served(self) -> Nets:
        """The weights that a model is made of: those of the curve's lowest point, where there is one."""
        return self.average if self.best is None else self.best

    def optimizer(self, loss: str, weights: Sequence[Tensor]) -> AdamW:
        """The Adam of a loss; its first use says which weights it moves."""
        if loss not in self.optimizers:
            self.optimizers[loss] = AdamW.of(weights)
        return self.optimizers[loss]

    def weights(self, nets: tuple[str, ...]) -> list[Tensor]:
        """The parameters of these networks."""
        if nets not in self._weights:
            self._weights[nets] = [p for name in nets for p in self.nets[name].parameters()]
        return self._weights[nets]

    @cached_property
    def averaged(self) -> Averaged:
        """What `average_weights` reads and writes; networks are walked once, which takes as long as a small step."""
        return Averaged(
            list(self.average.parameters()),
            list(self.nets.parameters()),
            list(self.average.buffers()),
            list(self.nets.buffers()),
        )

    @cached_property
    def _weights(self) -> dict[tuple[str, ...], list[Tensor]]:
        return {}


def load_data(run: Run, root: Path) -> TrainingData:
    """Read the data of a run and hold out its validation rows. Raises InvalidData, with the field from `run.data`."""
    source = run.data
    try:
        if isinstance(source, Toy):
            held_out = source.rows(VALIDATION_ROWS, _numpy_rng(source.seed, 2**32))
            spec = _told(source.spec, source, held_out)
            if source.n is None:
                return TrainingData(spec, source, source, held_out, _recipe(source))
            rows = source.rows(source.n, _numpy_rng(source.seed, 2**32 + 1))
            return TrainingData(_counted(spec, rows), source, rows, held_out, rows.fingerprint)
        if not isinstance(source, Finite):
            raise TypeError(f"{type(source).__name__} is neither a Toy nor a Finite source")
        rows = source.rows(root)
        order = _numpy_rng(run.seed, 2**32).permutation(len(rows.x))
        n = min(VALIDATION_ROWS, max(1, round(VALIDATION_SHARE * len(order))))
        kept, held_out = rows.of(order[n:]), rows.of(order[:n])
        spec = _told(source.spec(rows, kept), source, rows, kept)
        notes = (*source.notes(root), *diagnose(spec, kept))
    except InvalidData as error:
        raise InvalidData(error.message, field=f"run.data.{error.field}" if error.field else "run.data") from error
    kept, held_out = (held(spec, each) for each in (kept, held_out))
    spec = _counted(spec, kept)
    return TrainingData(spec.varying, source, kept, held_out, rows.fingerprint, notes, spec)


def held(spec: DataSpec, rows: Rows) -> Rows:
    """Rows of a source as networks know them: in the type that data units are held in, constants left out."""
    x = rows.x[:, spec.varying_elements] if spec.constants else rows.x
    return rows._replace(x=x if x.dtype == np.uint8 else spec.varying.hold(x))


def fresh(run: Run, data: TrainingData, device: torch.device) -> State:
    """The state before the first step; initial weights are a function of the run's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        nets = run.family.build(data.spec)
    nets = nets.to(device)
    average = copy.deepcopy(nets).requires_grad_(False).eval()
    total = run.budget.total_steps(data.n_rows, run.optimizer.batch_size)
    return State(run, 0, total, data.fingerprint, nets, average, data.card_spec, data.notes)


def train(data: TrainingData, state: State) -> Iterator[State]:
    """Train to the end of the budget, yielding the same state after each step. Raises Diverged."""
    run = state.run
    for batch in batches(data, state):
        lr = learning_rate(run, state.step, state.total_steps)
        state.losses = {}
        for loss in run.family.losses(state.nets, batch):
            descend(state, loss, lr)
            state.losses[loss.name] = loss.value.detach()
            state.losses.update({name: term.detach() for name, term in loss.terms.items()})
        state.step += 1
        average_weights(state)
        if curve.has_curve(run.family) and curve.is_due(state.step, state.total_steps):
            measure(data, state)
        yield state


def batches(data: TrainingData, state: State) -> Iterator[Batch]:
    """The batches of the remaining steps: an epoch is a permutation of the rows, seeded by its number."""
    size, seed = state.run.optimizer.batch_size, state.run.seed
    device = device_of(state)
    epoch, order = -1, np.empty(0, np.int64)
    for step in range(state.step, state.total_steps):
        if isinstance(data.train, Toy):
            rows, index = data.train.rows(size, _numpy_rng(seed, step)), np.arange(step * size, (step + 1) * size)
        else:
            per_epoch = -(-len(data.train.x) // size)
            if step // per_epoch != epoch:
                epoch = step // per_epoch
                order = _numpy_rng(seed, 2**33 + epoch).permutation(len(data.train.x))
            start = step % per_epoch * size
            index = order[start : start + size]
            rows = data.train.of(index)
        x = in_data_units(data, rows, device)
        rng = torch.Generator(device).manual_seed(_torch_seed(seed, step))
        yield Batch(x, conditions(data, rows, device), rng, step, state.total_steps, torch.from_numpy(index).to(device))


def in_data_units(data: TrainingData, rows: Rows, device: torch.device) -> Tensor:
    """Some rows, (B, *shape), in the type that data units are held in."""
    return torch.from_numpy(rows.x.astype(data.spec.dtype, copy=False)).to(device)


def conditions(data: TrainingData, rows: Rows, device: torch.device) -> Tensor:
    """What rows are told by, (B, C)."""
    told = torch.from_numpy(data.source.told(rows)).to(device)
    return told if data.spec.condition is None else data.spec.condition.code(told)


def descend(state: State, loss: Loss, lr: float) -> None:
    """One step of the loss's own Adam, on the networks it trains and no others."""
    weights = state.weights(loss.trains)
    gradients = clipped(torch.autograd.grad(loss.value, weights), state.run.optimizer.clip_norm)
    if gradients is None:
        raise Diverged(f"the loss {loss.name!r} or its gradient is not finite at step {state.step}; lower optimizer.lr")
    adam = state.run.optimizer
    decay = weight_decay(adam, state.nets.spec.n_rows)
    state.optimizer(loss.name, weights).step(gradients, lr, adam.betas, decay)


def clipped(gradients: tuple[Tensor, ...], max_norm: float) -> tuple[Tensor, ...] | None:
    """Gradients scaled to a joint norm of at most `max_norm`; None where that norm is not finite.

    The same tensor may stand for two weights, so none is changed in place.
    """
    norm = float(torch.stack(torch._foreach_norm(gradients)).norm())
    if not isfinite(norm):
        return None
    return gradients if norm <= max_norm else torch._foreach_mul(gradients, max_norm / norm)


def learning_rate(run: Run, step: int, total_steps: int) -> float:
    """The learning rate of a step: it rises linearly while it warms up, times the decay."""
    adam = run.optimizer
    rising = ceil(adam.warmup * total_steps)
    lr = adam.lr * min(1.0, (step + 1) / (rising + 1))
    return lr if adam.decay == "constant" else lr * 0.5 * (1 + cos(pi * step / total_steps))


def weight_decay(adam: Adam, n_rows: int | None) -> float:
    """AdamW's decay for so many training rows; none where they are drawn afresh."""
    return 0.0 if n_rows is None else adam.weight_decay_rows / n_rows


@torch.no_grad()
def average_weights(state: State) -> None:
    """Average <- d average + (1 - d) weights, with d rising to its final value so that early weights are forgotten."""
    final = state.run.optimizer.ema
    if final is None:
        final = max(0.0, 1 - 10 / state.total_steps)
    d = min(final, state.step / (state.step + 9))
    means, weights, buffer_copies, buffers = state.averaged
    torch._foreach_lerp_(means, weights, 1 - d)
    if buffers:
        torch._foreach_copy_(buffer_copies, buffers)


def device_of(state: State) -> torch.device:
    """Where its networks are."""
    return next(state.nets.parameters()).device


@torch.no_grad()
def measure(data: TrainingData, state: State) -> None:
    """Another point of the held-out curve, and the average kept where it is the lowest."""
    run, family = state.run, state.run.family
    batch_rows = min(run.optimizer.batch_size, data.n_rows or run.optimizer.batch_size)
    rows = curve.rows_of_a_point(state.total_steps, batch_rows, len(data.validation.x))
    x, c = held_out(data, slice(rows), device_of(state))
    name, value = curve.held_out_loss(family, state.average, x, c)
    state.curve = curve.extended(state.curve, family, (state.step, value), name, rows)
    if state.curve.best_step != state.step:
        if state.step == state.total_steps and state.best is not None and isfinite(value):
            keep_the_better(data, state, rows)
        return
    if state.best is None:
        state.best = copy.deepcopy(state.average)
    else:
        state.best.load_state_dict(state.average.state_dict())


def keep_the_better(data: TrainingData, state: State, rows: int) -> None:
    """At the end, the weights of the lowest point stay only where they are better than the last by more than chance."""
    if state.best is None or state.curve is None:
        return
    n = len(data.validation.x)
    unseen = slice(rows, 2 * rows) if n >= 2 * rows else slice(n)
    x, c = held_out(data, unseen, device_of(state))
    if not curve.is_better(state.run.family, state.best, state.average, x, c):
        state.best = None
        state.curve = state.curve.model_copy(update={"best_step": state.step})


def held_out(data: TrainingData, which: slice, device: torch.device) -> tuple[Tensor, Tensor]:
    """Some validation rows: x, (B, *shape), and c, (B, C)."""
    rows = data.validation.of(np.arange(len(data.validation.x))[which])
    return in_data_units(data, rows, device), conditions(data, rows, device)


def _told(spec: DataSpec, source: Source, rows: Rows, training: Rows | None = None) -> DataSpec:
    return spec.model_copy(update={"condition": source.conditions(rows, training)})


def _counted(spec: DataSpec, rows: Rows) -> DataSpec:
    return spec.model_copy(update={"n_rows": len(rows.x)})


def _numpy_rng(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, stream]))


def _torch_seed(seed: int, step: int) -> int:
    """Distinct for each step: 63 bits of numpy's hash of (seed, step)."""
    return int(np.random.SeedSequence([seed, step, 1]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _recipe(source: Toy) -> str:
    return sha256(source.model_dump_json().encode()).hexdigest()
