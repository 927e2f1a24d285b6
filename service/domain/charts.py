"""Numbers that are there to be drawn."""

from __future__ import annotations

from typing import Literal

from pushforward.models.config.json_float import JsonFloat
from pushforward.service.domain.jobs import State
from pushforward.service.domain.record import Record

LikelihoodKind = Literal["exact", "lower_bound", "estimate"]  # of a likelihood


class LossCurve(Record):
    """A loss at the steps of a training."""

    name: str
    """Name of the loss, the unit in the name."""
    steps: tuple[int, ...]
    """Steps, ascending."""
    values: tuple[JsonFloat, ...]
    """The loss at each of them."""
    held_out: bool = False
    """Whether it is of held-out rows, and not of the batch of each step."""
    best_step: int | None = None
    """Step whose weights are served; null where the loss does not choose."""


class LossCurves(Record):
    """The losses of a job, thinned to be drawn."""

    job: str
    """Identifier of the job."""
    state: State
    """queued, running, paused, succeeded, failed or cancelled."""
    step: int
    """Steps done."""
    total_steps: int
    """Steps in all; 0 until the first is reported."""
    curves: tuple[LossCurve, ...]
    """A curve for each loss, and that of held-out rows; none where the job is no training."""


class ScoreHistogram(Record):
    """How log p(x) of a model's held-out rows is distributed: what `POST /score` compares with."""

    model: str
    """Reference of the model, with its version."""
    kind: LikelihoodKind | None
    """Whether log_prob is exact, a lower bound, or an unbiased estimate; null where the card does not tell."""
    unit: Literal["nats"] = "nats"
    """Unit of the edges."""
    n: int
    """Held-out rows."""
    edges: tuple[float, ...]
    """Edges of the bins, ascending, one more than bins; none where no row has a finite log_prob."""
    counts: tuple[int, ...]
    """Rows in each bin."""
    below: int
    """Rows below the first edge: far out, or of density zero."""
    above: int
    """Rows above the last edge."""
