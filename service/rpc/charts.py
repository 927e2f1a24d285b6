"""From numbers that are there to be drawn to messages."""

from __future__ import annotations

from pushforward.service.domain.charts import LossCurve, LossCurves, ScoreHistogram
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


def histogram(histogram: ScoreHistogram) -> pb.ScoreHistogram:
    """How scores are distributed."""
    kind = "UNSPECIFIED" if histogram.kind is None else histogram.kind.upper()
    return pb.ScoreHistogram(
        model=histogram.model,
        kind=histogram.kind or "",
        likelihood_kind=pb.LikelihoodKind.Value(f"LIKELIHOOD_KIND_{kind}"),
        unit=histogram.unit,
        n=histogram.n,
        edges=histogram.edges,
        counts=histogram.counts,
        below=histogram.below,
        above=histogram.above,
    )


def _curve(curve: LossCurve) -> pb.LossCurve:
    return pb.LossCurve(
        name=curve.name,
        steps=curve.steps,
        values=curve.values,
        held_out=curve.held_out,
        best_step=curve.best_step or 0,
    )
