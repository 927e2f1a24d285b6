"""The charts that the service draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pushforward.service.domain.charts import LossCurve, LossCurves, ScoreHistogram
from pushforward.service.formats.charts.marks import (
    GRAY,
    INKS,
    Axis,
    Bars,
    Chart,
    Line,
    Map,
    Mark,
    Panel,
    Points,
    Reals,
    Rug,
    Rule,
)
from pushforward.service.formats.pictures import heat_colors

FARTHEST = 3.0  # of rows to both sides of the bars, in widths of all bars
STEP, NATS, ROWS = "step", "log p(x), nats", "rows"


def of_losses(curves: LossCurves) -> Chart:
    """The losses of a training by step; those whose values overlap share a panel."""
    title = f"Losses of job {curves.job} ({curves.state}, step {curves.step:,} of {curves.total_steps:,})"
    steps = Axis.over(STEP, np.array([step for curve in curves.curves for step in curve.steps], float), whole=True)
    panels = [_losses(group, steps) for group in _overlapping(curves.curves)]
    nothing = Panel(steps, Axis("no losses were reported", 0, 1), ())
    return Chart(title, tuple(panels or [nothing]))


def of_histogram(histogram: ScoreHistogram) -> Chart:
    """How the scores of held-out rows are distributed."""
    axis = _around(np.array(histogram.edges, float))
    return Chart(f"{histogram.model}: log p(x) of held-out rows", (Panel(axis, *_bars(histogram, ())),))


def of_scores(histogram: ScoreHistogram, log_prob: Reals, flagged: np.ndarray, threshold: float | None) -> Chart:
    """The same, and below it where rows lie; those that are flagged are triangles."""
    axis = _with_rows(np.array(histogram.edges, float), log_prob)
    rows: list[Mark] = []
    if threshold is not None and np.isfinite(threshold):
        rows.append(Rule(threshold, f"threshold, {threshold:.4g} nats", INKS[3]))
    for what, chosen, ink in (("row", ~flagged, INKS[0]), ("flagged row", flagged, INKS[1])):
        if chosen.any():
            x = log_prob[chosen].clip(axis.low, axis.high)
            name, farther = f"{len(x):,} {what}{'s' * (len(x) > 1)}", int((x != log_prob[chosen]).sum())
            name += f", {farther:,} of them farther out, at the edge" if farther else ""
            rows.append(Rug(x, name, ink, "triangle" if ink is INKS[1] else "stroke"))
    title = f"{histogram.model}: log p(x) of rows, and of held-out rows"
    return Chart(title, (Panel(axis, *_bars(histogram, tuple(rows))),))


def of_likelihoods(histogram: ScoreHistogram) -> Chart:
    """How the scores of rows are distributed."""
    axis = _around(np.array(histogram.edges, float))
    return Chart(f"{histogram.model}: log p(x) of rows", (Panel(axis, *_bars(histogram, ())),))


def of_density(model: str, log_prob: Reals, n: int, within: Sequence[tuple[float, float]]) -> Chart:
    """p(x) over a rectangle of the plane, bright where it is high.  log_prob: (n * n,), the top row first."""
    finite = log_prob[np.isfinite(log_prob)]
    most = finite.max() if len(finite) else 0.0
    shares = np.nan_to_num(np.exp(np.minimum(log_prob - most, 0.0)), nan=0.0, posinf=1.0).reshape(n, n)
    name = f"p(x), from 0 (dark) to {np.exp(most):.3g} (bright), by its square root"
    axes = [Axis(f"x[{i}]", low, high) for i, (low, high) in enumerate(within)]
    return Chart(f"{model}: density", (Panel(axes[0], axes[1], (Map(heat_colors(shares), name),), same_scale=True),))


def of_points(model: str, x: Reals) -> Chart:
    """Points of the plane.  x: (n, 2)."""
    axes = [Axis.over(f"x[{i}]", x[:, i]) for i in range(2)]
    cloud = Points(x[:, 0], x[:, 1], "", INKS[0], size=1.6 if len(x) > 1000 else 2.2)
    return Chart(f"{model}: {len(x):,} points", (Panel(axes[0], axes[1], (cloud,), same_scale=True),))


def _losses(curves: Sequence[LossCurve], steps: Axis) -> Panel:
    values = np.array([value for curve in curves for value in curve.values], float)
    marks: list[Mark] = []
    for curve, ink in zip(curves, INKS * len(curves), strict=False):
        x, y = np.array(curve.steps, float), np.array(curve.values, float)
        name = f"{curve.name}, held out" if curve.held_out else curve.name
        marks.append(Line(x, y, name, ink, dots=curve.held_out or len(x) == 1))
        if curve.best_step in curve.steps:
            best = x == curve.best_step
            marks.append(Points(x[best], y[best], f"best, step {curve.best_step:,}", ink, "ring", 6.0))
    return Panel(steps, Axis.over("loss", values, may_be_logarithmic=True), tuple(marks))


def _overlapping(curves: Sequence[LossCurve]) -> list[list[LossCurve]]:
    """Curves in groups: each has values among those of another of its group."""
    groups: list[tuple[float, float, list[LossCurve]]] = []
    for curve in curves:
        values = np.array(curve.values, float)
        finite = values[np.isfinite(values)]
        low, high = (finite.min(), finite.max()) if len(finite) else (np.nan, np.nan)
        near = [group for group in groups if group[0] <= high and low <= group[1]]
        merged = [each for group in near for each in group[2]] + [curve]
        groups = [group for group in groups if not any(group is each for each in near)]
        groups.append((min([low, *(g[0] for g in near)]), max([high, *(g[1] for g in near)]), merged))
    return [group for _, _, group in groups]


def _bars(histogram: ScoreHistogram, more: tuple[Mark, ...]) -> tuple[Axis, tuple[Mark, ...]]:
    """The axis of counts, and the marks."""
    counts = np.array(histogram.counts, float)
    held_out = "held-out rows" if more else "rows"
    name = f"{histogram.n:,} {held_out}"
    beyond = [f"{n:,} {where}" for n, where in ((histogram.below, "below"), (histogram.above, "above")) if n]
    if beyond:
        name += f", {' and '.join(beyond)} the bars"
    axis = Axis(ROWS, 0.0, 1.05 * max(1.0, counts.max(initial=0.0)), whole=True)
    return axis, (Bars(np.array(histogram.edges, float), counts, name, GRAY), *more)


def _with_rows(edges: Reals, log_prob: Reals) -> Axis:
    """The axis of bars and of rows, but for rows so far out that the bars would be a line."""
    finite = log_prob[np.isfinite(log_prob)]
    if len(edges) == 0:
        return _around(finite)
    width = FARTHEST * (edges[-1] - edges[0])
    return _around(np.concatenate([edges, finite.clip(edges[0] - width, edges[-1] + width)]))


def _around(values: Reals) -> Axis:
    return Axis.over(NATS, values)
