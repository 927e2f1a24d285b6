"""Trainings that do not start with fresh weights: they start from a version of a model, or from a job's checkpoint.

    continue     the same family and data: weights, average, moments, step numbers and random streams go on
    fine-tune    other data of the same shape, or another family: parameters of the same name and shape are taken
                 over from the weights that were served, the optimizer is new, and steps count from zero

What a training before kept is read as it was written. So N steps and a continuation by N are 2 N steps bit for bit,
where nothing depends on the last step: a constant learning rate without warm-up, `ema` given, and losses that do not
ask how far the training is. A version without its last state, as older releases published, is fine-tuned.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from pushforward.models.data import Toy
from pushforward.models.errors import BadCheckpoint, InvalidData
from pushforward.models.run import Run
from pushforward.models.storage.model import load_model, read_model_card
from pushforward.models.storage.recorded import completed
from pushforward.models.storage.tensors import under
from pushforward.models.training.checkpoint import HEADER, TENSORS, SavedState, newest_state, read_state, take_over
from pushforward.models.training.data import TrainingData
from pushforward.models.training.state import Start, TrainingState, fresh

FIELD = "start_from"
NAMED = 6  # networks or tensors in a sentence, at most

_log = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class Origin:
    """What a training starts from, and where it lies."""

    name: str  # for people: digits-vae@3, job:0123456789abcdef
    model: Path | None = None  # the folder of a version
    states: Sequence[Path] = ()  # the folders of a job's checkpoints, newest first


class Left(NamedTuple):
    """What a training left."""

    saved: SavedState | None  # None where its last state is not kept
    served: Mapping[str, Tensor]
    run: Run
    fingerprint: str
    shape: tuple[int, ...] | None  # of the rows that its networks take; None where it is not known
    steps: int  # of all trainings up to it


class TakenOver(NamedTuple):
    """Names of tensors that were taken over, of those that stay fresh, and of those that nothing takes."""

    taken: Sequence[str]
    new: Sequence[str]
    left_out: Sequence[str]


def started(run: Run, data: TrainingData, device: torch.device, origin: Origin) -> TrainingState:
    """The state before the first step of a training that starts from another. Raises InvalidData, Hindered."""
    left = _read(origin)
    if left.shape is not None and left.shape != data.spec.shape:
        raise InvalidData(
            f"{origin.name} models rows of shape {list(left.shape)}, and those of the data have the shape "
            f"{list(data.spec.shape)}; give data of the same shape, or start from another model",
            field=FIELD,
        )
    state = _continued(left, run, data, device, origin.name) or _fine_tuned(left, run, data, device, origin.name)
    if not all(bool(weight.isfinite().all()) for nets in (state.nets, state.average) for weight in nets.parameters()):
        raise InvalidData(f"the weights of {origin.name} are not finite; start from another", field=FIELD)
    return state


def _continued(left: Left, run: Run, data: TrainingData, device: torch.device, name: str) -> TrainingState | None:
    """The state of a training that goes on; None where family, data or networks are others."""
    if left.saved is None or left.run.family != run.family or left.fingerprint != data.fingerprint:
        return None
    state = fresh(run, data, device)
    try:
        take_over(state, left.saved)
    except BadCheckpoint as error:  # other conditions, say
        _log.info("%s is not continued: %s", name, error.message)
        return None
    if state.total_steps:
        state.total_steps += state.step
    notes = tuple(_on_held_out_rows(left, run, data, name))
    state.start = Start(name, state.step, left.saved.start.earlier_steps, notes)
    _log.info("continues %s from step %d: weights, averages, moments and random streams go on", name, state.step)
    return state


def _fine_tuned(left: Left, run: Run, data: TrainingData, device: torch.device, name: str) -> TrainingState:
    """The state of a training that begins with another's weights. Raises InvalidData where none fits."""
    state = fresh(run, data, device)
    is_of_these_rows = left.run.family == run.family and left.fingerprint == data.fingerprint
    taken = _take_over_by_name(state, left.served, buffers=is_of_these_rows)
    if not taken.taken:
        raise InvalidData(
            f"{name} has no network of the same names and shapes as this family on these data; "
            "leave start_from out, or train a family that shares networks with it",
            field=FIELD,
        )
    told = [f"Started from {name}, {_told(taken)}; the optimizer is new."]
    if is_of_these_rows:
        told.append(f"{name} has no training state, so its training was not continued step by step.")
    for sentence in told:
        _log.info("%s", sentence)
    state.start = Start(name, 0, left.steps, (*told, *_on_held_out_rows(left, run, data, name)))
    return state


def _read(origin: Origin) -> Left:
    """What there is to start from. Raises InvalidData, Hindered."""
    if origin.model is None:
        saved = newest_state(origin.states)
        if saved is None:
            raise InvalidData(
                f"{origin.name} left no checkpoint of finite weights, or it is kept no more; start from another",
                field=FIELD,
            )
        return _of_state(saved, origin.name)
    try:
        card = read_model_card(origin.model)
        shape = card.spec.varying.shape
        saved = _last_state(origin)
        if saved is not None:
            return _of_state(saved, origin.name)._replace(shape=shape)
        served = load_model(origin.model, torch.device("cpu")).nets.state_dict()
    except BadCheckpoint as error:
        raise InvalidData(
            f"{origin.name} cannot be read ({error.message}); it may have been deleted meanwhile, start from another",
            field=FIELD,
        ) from error
    run = Run.model_validate(card.run)
    steps = card.steps or run.budget.total_steps(card.spec.n_rows, run.optimizer.batch_size) or 0
    return Left(None, served, run, card.data_fingerprint, shape, steps)


def _last_state(origin: Origin) -> SavedState | None:
    """The last training state of a version; None where it has none, or one that is not whole. Raises Hindered."""
    if origin.model is None or not all((origin.model / file).is_file() for file in (HEADER, TENSORS)):
        return None
    try:
        return read_state(origin.model)
    except BadCheckpoint as error:
        _log.warning("passed over the training state of %s: %s", origin.name, error.message)
        return None


def _of_state(saved: SavedState, name: str) -> Left:
    header: dict[str, Any] = saved.header
    shape = None if "shape" not in header else tuple(header["shape"])
    try:
        run = Run.model_validate(completed(header["run"]))
    except ValueError as error:
        raise InvalidData(
            f"{name} is of a run that this release does not know; start from another", field=FIELD
        ) from error
    served = under("best.", saved.tensors) or under("average.", saved.tensors)
    steps = saved.start.earlier_steps + header["step"]
    return Left(saved, served, run, header["data_fingerprint"], shape, steps)


@torch.no_grad()
def _take_over_by_name(state: TrainingState, served: Mapping[str, Tensor], *, buffers: bool) -> TakenOver:
    """Fill networks and average with tensors of the same name, shape and type.

    Buffers hold what a training saw of its rows, so they are taken over only where the rows are the same.
    """
    mine = dict(state.nets.named_parameters())
    fits = {name for name, weight in mine.items() if _alike(served.get(name), weight)}
    for nets in (state.nets, state.average):
        for name, weight in nets.named_parameters():
            if name in fits:
                weight.copy_(served[name])
        for name, buffer in nets.named_buffers():
            if buffers and _alike(served.get(name), buffer):
                buffer.copy_(served[name])
    kept = {name for name, _ in state.nets.named_buffers()}
    return TakenOver(sorted(fits), sorted(mine.keys() - fits), sorted(served.keys() - fits - kept))


def _alike(theirs: Tensor | None, mine: Tensor) -> bool:
    return theirs is not None and theirs.shape == mine.shape and theirs.dtype == mine.dtype


def _told(taken: TakenOver) -> str:
    """What was taken over, what is new and what was left out."""
    n = len(taken.taken) + len(taken.new)
    said = [f"which gave {len(taken.taken)} of {n} tensors ({_listed(_parts(taken))})"]
    if taken.new:
        said.append(f"new: {_listed(taken.new)}")
    if taken.left_out:
        said.append(f"left out: {_listed(taken.left_out)}")
    return "; ".join(said)


def _parts(taken: TakenOver) -> Iterator[str]:
    """The networks that were taken over, whole or in part."""
    of = [Counter(name.partition(".")[0] for name in names) for names in (taken.taken, taken.new)]
    for network, n in of[0].items():
        yield network if not of[1][network] else f"{n} of {n + of[1][network]} of {network}"


def _listed(names: Iterable[str]) -> str:
    said = list(names)
    more = len(said) - NAMED
    return ", ".join(said[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _on_held_out_rows(left: Left, run: Run, data: TrainingData, name: str) -> Iterator[str]:
    """A note where rows that are held out now were trained on before."""
    if left.fingerprint == data.fingerprint and left.run.seed != run.seed and not isinstance(data.source, Toy):
        yield (
            f"{name} was trained with seed {left.run.seed}, which holds out other rows: some of those held out now "
            "were trained on, so scores of held-out rows are too good."
        )
