"""From results of requests to models to response messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pushforward.service.application.likelihoods import LikelihoodResult, OfLikelihoods
from pushforward.service.application.requests.scoring import ScoreResult
from pushforward.service.application.results import (
    CodesResult,
    InferenceResult,
    PointsResult,
    PreviewResult,
    SampleResult,
    TranslationResult,
)
from pushforward.service.domain.inference import Timing
from pushforward.service.formats.table_files import dumps, of_table
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.tensors import tensor

Message = TypeVar("Message", pb.DecodeResponse, pb.ReconstructResponse, pb.InterpolateResponse)


def timing(timing: Timing) -> pb.Timing:
    """Where the time of a request went."""
    return pb.Timing(
        linger_ms=timing.linger_ms,
        queue_ms=timing.queue_ms,
        compute_ms=timing.compute_ms,
        total_ms=timing.total_ms,
        batch_rows=timing.batch_rows,
    )


def samples(result: SampleResult, accept: str = "", *, start: int = 0) -> pb.SampleResponse:
    """A sample, or the part of it that begins with row `start`. Raises NotAcceptable."""
    done = result.completion
    return pb.SampleResponse(
        model=result.model,
        seed=result.seed,
        samples=None if accept else tensor(result.samples),
        table=_table(result, accept, start) if accept else None,
        timing=timing(result.timing),
        kind="" if done is None else done.kind,
        effective_candidates=[] if done is None or done.effective_candidates is None else done.effective_candidates,
    )


def _table(result: InferenceResult, accept: str, start: int = 0) -> pb.Table:
    """Rows of a table in the format that was asked for. Raises NotAcceptable."""
    return pb.Table(media_type=accept, content=dumps(accept, *of_table(result.in_file, accept), start=start))


def preview(result: PreviewResult) -> pb.SampleResponse:
    """Rows between noise and data."""
    rows = tensor(result.samples)
    return pb.SampleResponse(model=result.model, seed=result.seed, samples=rows, step=result.step, steps=result.steps)


def likelihoods(result: LikelihoodResult) -> pb.LikelihoodResponse:
    """log p(x), and of what kind it is."""
    return pb.LikelihoodResponse(
        model=result.model,
        log_prob=result.log_prob,
        kind=result.kind,
        likelihood_kind=_kind(result),
        unit=result.unit,
        std_error=[] if result.std_error is None else result.std_error,
        bits_per_dim=[] if result.bits_per_dim is None else result.bits_per_dim,
        terms={name: pb.Doubles(values=values) for name, values in result.terms.items()},
        timing=timing(result.timing),
        grid=0 if result.grid is None else result.grid.n,
        within=() if result.grid is None else (*result.grid.within[0], *result.grid.within[1]),
    )


def scores(result: ScoreResult) -> pb.ScoreResponse:
    """Where log p(x) stands among that of held-out rows."""
    return pb.ScoreResponse(
        model=result.model,
        log_prob=result.log_prob,
        kind=result.kind,
        likelihood_kind=_kind(result),
        unit=result.unit,
        percentile=result.percentile,
        p_value=result.p_value,
        typicality_p_value=result.typicality_p_value,
        flagged=result.flagged,
        threshold=result.threshold,
        false_alarm_rate=result.false_alarm_rate,
        held_out_rows=result.held_out_rows,
        note=result.note,
        timing=timing(result.timing),
    )


def _kind(result: OfLikelihoods) -> pb.LikelihoodKind.ValueType:
    return pb.LikelihoodKind.Value(f"LIKELIHOOD_KIND_{result.kind.upper()}")


def codes(result: CodesResult) -> pb.EncodeResponse:
    """Latent codes."""
    return pb.EncodeResponse(model=result.model, z=tensor(result.z), timing=timing(result.timing))


def translations(result: TranslationResult) -> pb.TranslateResponse:
    """Data translated to other domains."""
    x, to = tensor(result.x), tensor(result.to)
    return pb.TranslateResponse(model=result.model, x=x, to=to, timing=timing(result.timing))


def completions(result: PointsResult, accept: str) -> pb.CompleteResponse:
    """Whole rows, as arrays or in the format that was asked for. Raises NotAcceptable."""
    message = pb.CompleteResponse(model=result.model, timing=timing(result.timing))
    if accept:
        message.table.CopyFrom(_table(result, accept))
    else:
        message.x.CopyFrom(tensor(result.x))
    if result.completion is not None:
        message.kind = result.completion.kind
        if result.completion.effective_candidates is not None:
            message.effective_candidates.extend(result.completion.effective_candidates)
    return message


def points(message: type[Message]) -> Callable[[PointsResult], Message]:
    """Writes data decoded, reconstructed or interpolated as messages of one type."""

    def write(result: PointsResult) -> Message:
        return message(model=result.model, x=tensor(result.x), timing=timing(result.timing))

    return write
