"""From numbers that are there to be drawn to messages."""

from __future__ import annotations

from pushforward.service.domain.charts import LossCurve, LossCurves
from pushforward.service.rpc.pb import pushforward_pb2 as pb


def losses(curves: LossCurves) -> pb.LossCurves:
    """The losses of a job."""
    return pb.LossCurves(
        job=curves.job,
        state=pb.JobState.Value(f"JOB_STATE_{curves.state.name}"),
        step=curves.step,
        total_steps=curves.total_steps,
        curves=map(_curve, curves.curves),
    )


def _curve(curve: LossCurve) -> pb.LossCurve:
    return pb.LossCurve(
        name=curve.name,
        steps=curve.steps,
        values=curve.values,
        held_out=curve.held_out,
        best_step=curve.best_step or 0,
    )
