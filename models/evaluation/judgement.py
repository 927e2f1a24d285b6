r"""The verdict on a trained model: whether it may be served, and notes for its users.

It may not be served where scores of held-out rows or samples are not finite, the held-out curve ends in a value that is
not finite, or an invertible family does not return to its rows: the training has diverged. Anything else becomes a
note, one plain sentence. A difference counts where it is beyond noise:

    a baseline fits better     by more than two standard errors of the mean difference at the same rows
    samples are farther        than a Gaussian's by more than half the distance of training rows from held-out rows
    overfitted, still falling  the curve moved by more than four times its median step between points of the last half

A curve is still falling where its last quarter fell by that much, and by more than a hundredth of the whole fall.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np

from pushforward.models.errors import Diverged
from pushforward.models.evaluation.held_out import evaluation
from pushforward.models.evaluation.measurement import Evaluation, Numbers
from pushforward.models.family import Encodes, Family
from pushforward.models.storage.card import Curve
from pushforward.models.training.data import TrainingData
from pushforward.models.training.state import TrainingState

FEW_ROWS = 1_000
MAX_LOST = 0.05  # of held-out rows may not return from their codes
FAR_OUT = 0.001  # of samples
REMEDY = "lower optimizer.lr"


@dataclass(frozen=True)
class Verdict:
    """Metrics and notes of a model that may be served."""

    metrics: Numbers
    notes: tuple[str, ...]
    log_prob: tuple[float, ...] | None  # of each held-out row that was scored, ascending; None without a likelihood


def judge(data: TrainingData, state: TrainingState) -> Evaluation[Verdict]:
    """Evaluate and judge. Raises Diverged."""
    check_curve(state.curve)
    measured = yield from evaluation(data, state)
    check(state.family, measured.metrics)
    return Verdict(measured.metrics, tuple(notes(data, state.curve, measured.metrics)), measured.log_prob)


def check_curve(curve: Curve | None) -> None:
    """Refuse a training whose held-out curve ends in a value that is not finite. Raises Diverged."""
    if curve is not None and not isfinite(curve.values[-1]):
        raise Diverged(f"the loss {curve.name!r} of held-out rows is {curve.values[-1]} at the last step; {REMEDY}")


def check(family: Family, metrics: Mapping[str, float]) -> None:
    """Refuse a model whose metrics show that its training diverged. Raises Diverged."""
    for name, value in metrics.items():
        if name.startswith(("validation_log_prob_nats", "validation_rmse")) and not isfinite(value):
            raise Diverged(f"{name} of the trained model is {value}: held-out rows have no finite score; {REMEDY}")
    if metrics.get("samples_not_finite", 0.0) > 0:
        raise Diverged(f"{metrics['samples_not_finite']:.2%} of its samples are not finite; {REMEDY}")
    lost = metrics.get("rows_that_do_not_return", 0.0)
    if isinstance(family, Encodes) and family.inverts and lost > MAX_LOST:
        raise Diverged(f"{lost:.0%} of held-out rows do not come back from their codes; {REMEDY}")


def notes(data: TrainingData, curve: Curve | None, metrics: Mapping[str, float]) -> Iterator[str]:
    """Notes on what is poor, a sentence each."""
    yield from of_rows(data)
    yield from of_curve(curve)
    yield from of_baselines(metrics)
    yield from of_samples(metrics)
    yield from of_numbers(metrics)


def of_rows(data: TrainingData) -> Iterator[str]:
    """A note where rows are few."""
    if data.n_rows is not None and data.n_rows < FEW_ROWS:
        yield (
            f"Few rows: {data.n_rows} trained it and {len(data.validation.x)} were held out, so its numbers are rough."
        )


def of_curve(curve: Curve | None) -> Iterator[str]:
    """A note where the held-out loss rose, or still fell, at the end."""
    if curve is None or len(curve.values) < 8:
        return
    values, steps = np.array(curve.values), curve.steps
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        yield f"The held-out {curve.name} was not finite at {bad} of {len(values)} points of the training."
        return
    noise = 4 * float(np.median(np.abs(np.diff(values[len(values) // 2 :]))))
    best, last = int(values.argmin()), float(values[-1])
    if last - values[best] > noise:
        served = "; the weights of that step are served" if curve.best_step == steps[best] else ""
        yield (
            f"Overfitted: the held-out {curve.name} was lowest at step {steps[best]} ({values[best]:.4g}) and rose to "
            f"{last:.4g} at step {steps[-1]}{served}."
        )
        return
    quarter = len(values) * 3 // 4
    fell = float(values[quarter - 1] - last)
    if fell > noise and fell > 0.01 * float(values.max() - last):
        yield (
            f"Still falling: the held-out {curve.name} fell from {values[quarter - 1]:.4g} to {last:.4g} in the last "
            f"quarter of the training; a larger budget would help."
        )


def of_baselines(metrics: Mapping[str, float]) -> Iterator[str]:
    """A note for each baseline that gives held-out rows a higher likelihood."""
    for name, what in (("gaussian", "An ordinary Gaussian fits"), ("independent_columns", "Independent columns fit")):
        above, error = metrics.get(f"nats_above_{name}", 0.0), metrics.get(f"nats_above_{name}_std_error", 0.0)
        if above < -2 * error:
            yield (
                f"{what} held-out rows better: {metrics[f'{name}_log_prob_nats']:.4g} nats a row, "
                f"{-above:.3g} ± {error:.2g} more than this model."
            )


def of_samples(metrics: Mapping[str, float]) -> Iterator[str]:
    """Notes on samples that are unlike the data."""
    prefix = "sliced_wasserstein_standardized"
    if f"{prefix}_gaussian" in metrics and "nats_above_gaussian" not in metrics:
        ours, theirs, floor = (metrics[f"{prefix}{which}"] for which in ("", "_gaussian", "_floor"))
        if ours > theirs + floor / 2:
            yield (
                f"Samples are {ours:.2g} standard deviations away from held-out rows, those of an ordinary Gaussian "
                f"{theirs:.2g}, training rows {floor:.2g} (sliced Wasserstein distances)."
            )
    if metrics.get("samples_far_out", 0.0) > FAR_OUT:
        yield (
            f"{metrics['samples_far_out']:.2%} of samples lie further outside the range of the training rows than that "
            "range is wide."
        )
    if metrics.get("rows_that_do_not_return", 0.0) > 0:
        yield f"{metrics['rows_that_do_not_return']:.2%} of held-out rows do not come back from their codes."


def of_numbers(metrics: Mapping[str, float]) -> Iterator[str]:
    """A note on metrics that are not finite."""
    bad = [name for name, value in metrics.items() if not isfinite(value)]
    if bad:
        yield f"Not finite: {', '.join(bad)}."
