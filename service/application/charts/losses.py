"""The losses of a training, from what it reported of its progress."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pushforward.models.config.json_float import from_json
from pushforward.service.application.charts.thinning import thinned
from pushforward.service.domain.charts import LossCurve, LossCurves
from pushforward.service.domain.errors import Invalid
from pushforward.service.domain.jobs import Job

DEFAULT_POINTS = 500  # of a curve
POINTS = (2, 2000)  # at least, at most


def checked_points(points: int) -> int:
    """Raises Invalid."""
    least, most = POINTS
    if not least <= points <= most:
        raise Invalid.field("points", f"must lie in [{least}, {most}]")
    return points


def loss_curves(job: Job, progress: Iterable[Mapping[str, Any]], points: int) -> LossCurves:
    """The curves of a job, of at most `points` points each.

    A job that was resumed went through some steps again: the latest report of a step counts.
    """
    reported = defaultdict[str, dict[int, float]](dict)
    for each in progress:
        for name, value in each["losses"].items():
            reported[name][each["step"]] = from_json(value)
    curves = [_curve(name, *_ascending(losses), points) for name, losses in reported.items()]
    if job.curve is not None:
        held_out = _curve(job.curve.name, np.array(job.curve.steps, int), np.array(job.curve.values, float), points)
        curves.append(held_out.model_copy(update={"held_out": True, "best_step": job.curve.best_step}))
    return LossCurves(
        job=job.id,
        state=job.state,
        step=job.progress.step,
        total_steps=job.progress.total_steps,
        curves=tuple(curves),
    )


def _ascending(losses: Mapping[int, float]) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values, by step."""
    steps, values = np.array([*losses], int), np.array([*losses.values()], float)
    order = steps.argsort()
    return steps[order], values[order]


def _curve(name: str, steps: np.ndarray, values: np.ndarray, points: int) -> LossCurve:
    kept = thinned(values, points)
    return LossCurve(name=name, steps=tuple(steps[kept].tolist()), values=tuple(values[kept].tolist()))
