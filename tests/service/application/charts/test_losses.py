"""The curves of a job are what it reported, by step."""

from math import inf, isnan, nan
from typing import Any

import pytest

from pushforward.models.storage.card import Curve
from pushforward.service.application.charts.losses import checked_points, loss_curves
from pushforward.service.domain.errors import Invalid
from pushforward.service.domain.jobs import Job, Progress, State

JOB = Job(id="j", state=State.RUNNING, model="m", created_at=1.0, progress=Progress(step=3, total_steps=9))


def report(step: int, **losses: Any) -> dict[str, Any]:
    return {"step": step, "total_steps": 9, "losses": losses}


def test_every_loss_is_a_curve() -> None:
    told = loss_curves(JOB, [report(1, a=1.0, b=-1.0), report(3, a=2.0, b=-2.0)], 500)
    assert (told.job, told.state, told.step, told.total_steps) == ("j", "running", 3, 9)
    assert [(curve.name, curve.steps, curve.values) for curve in told.curves] == [
        ("a", (1, 3), (1.0, 2.0)),
        ("b", (1, 3), (-1.0, -2.0)),
    ]


def test_of_a_step_that_was_done_again_the_latest_report_counts() -> None:
    reports = [report(1, a=1.0), report(4, a=4.0), report(6, a=6.0), report(3, a=3.5), report(4, a=4.5)]
    [curve] = loss_curves(JOB, reports, 500).curves
    assert (curve.steps, curve.values) == ((1, 3, 4, 6), (1.0, 3.5, 4.5, 6.0))


def test_a_loss_may_be_missing_in_some_reports() -> None:
    told = loss_curves(JOB, [report(1, a=1.0), report(2, a=2.0, b=2.0)], 500)
    assert [curve.steps for curve in told.curves] == [(1, 2), (2,)]


def test_the_held_out_curve_is_one_more() -> None:
    held_out = Curve(name="h", rows=7, steps=(2, 4, 6), values=(3.0, 1.0, inf), best_step=4)
    told = loss_curves(JOB.model_copy(update={"curve": held_out}), [report(1, a=1.0)], 2)
    assert [(curve.name, curve.held_out, curve.best_step) for curve in told.curves] == [
        ("a", False, None),
        ("h", True, 4),
    ]
    assert (told.curves[1].steps, told.curves[1].values) == ((2, 6), (3.0, inf))


def test_a_loss_that_is_not_finite_stays_what_it_is() -> None:
    [curve] = loss_curves(JOB, [report(1, a=1.0), report(2, a="NaN"), report(3, a=nan)], 500).curves
    assert list(map(isnan, curve.values)) == [False, True, True]
    assert curve.model_dump(mode="json")["values"] == [1.0, "NaN", "NaN"]


def test_a_job_that_reports_no_losses_has_no_curves() -> None:
    assert loss_curves(JOB, [report(1)], 500).curves == ()


@pytest.mark.parametrize("points", [-1, 0, 1, 2001])
def test_too_few_and_too_many_points_are_refused(points: int) -> None:
    with pytest.raises(Invalid, match=r"points: must lie in \[2, 2000\]"):
        checked_points(points)
