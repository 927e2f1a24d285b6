"""From a worker's reply to the result of a request. All raise Failed where the reply does not fit the request."""

from __future__ import annotations

from math import log

import numpy as np

from pushforward.models.spec.conditions import Labels
from pushforward.service.application.charts.grids import Grid, grid_of
from pushforward.service.application.commands.commands import (
    AnyAsk,
    Complete,
    Encode,
    Likelihood,
    Sample,
    Score,
    Translate,
)
from pushforward.service.application.likelihoods import LikelihoodResult
from pushforward.service.application.requests.requests import TargetModel
from pushforward.service.application.results import (
    CodesResult,
    Completion,
    InferenceResult,
    PointsResult,
    PreviewResult,
    SampleResult,
    TranslationResult,
)
from pushforward.service.domain.errors import Failed
from pushforward.service.domain.inference import InferenceRequest, Preview, Reply
from pushforward.service.formats.tables import TableRows

TERMS = "terms."  # before the name of such an array of a reply


def result(target: TargetModel, ask: AnyAsk, request: InferenceRequest, reply: Reply) -> InferenceResult:
    """The result of a request with one reply."""
    model, timing = request.model, reply.timing
    try:
        match ask:
            case Sample():
                return samples(target, request, reply)
            case Encode():
                return CodesResult(model, timing, reply.arrays["z"])
            case Likelihood(grid=int() as n):
                return _likelihood(target, request, reply, grid_of(target.card, n, ask.within))
            case Likelihood() | Score():
                return _likelihood(target, request, reply)
            case Translate():
                to = domains(target, request.arrays["to"])
                return TranslationResult(model, timing, reply.arrays["x"], to, target.card.spec)
            case Complete(records=TableRows()):
                given = request.arrays.get("condition")
                return PointsResult(model, timing, reply.arrays["x"], target.card.spec, _completion(reply), given)
            case _:
                given = request.arrays.get("condition")
                return PointsResult(model, timing, reply.arrays["x"], target.card.spec, condition=given)
    except KeyError as error:
        raise Failed(f"the worker's reply lacks {error}") from error


def samples(target: TargetModel, request: InferenceRequest, reply: Reply) -> SampleResult:
    """The rows of a sample, or of a part of it."""
    spec = target.card.spec
    completes = request.op == "complete"
    rows = reply.arrays.get("x" if completes else "samples", np.empty(0))
    if rows.shape != (request.rows, *spec.shape):
        wanted = [request.rows, *spec.shape]
        raise Failed(f"the worker replied with samples of shape {list(rows.shape)} instead of {wanted}")
    return SampleResult(
        request.model,
        reply.timing,
        request.seed,
        rows,
        spec,
        condition=request.arrays.get("condition"),
        completion=_completion(reply) if completes else None,
    )


def _completion(reply: Reply) -> Completion:
    return Completion(reply.info["kind"], reply.arrays.get("effective"))


def domains(target: TargetModel, to: np.ndarray) -> np.ndarray:
    """Domains as clients write them: labels, (n,) int64, or vectors, (n, V).  to: (n, V)."""
    return to[:, 0].astype(np.int64) if isinstance(target.card.spec.condition, Labels) else to


def preview(target: TargetModel, request: InferenceRequest, seen: Preview) -> PreviewResult:
    """The rows of a sample between noise and data."""
    if "samples" not in seen.arrays:
        raise Failed("the worker's preview lacks its samples")
    rows, given = seen.arrays["samples"], request.arrays.get("condition")
    return PreviewResult(request.model, request.seed, seen.step, seen.steps, rows, target.card.spec, given)


def _likelihood(
    target: TargetModel, request: InferenceRequest, reply: Reply, grid: Grid | None = None
) -> LikelihoodResult:
    log_prob = np.asarray(reply.arrays["log_prob"], np.float64)
    bits = -log_prob / (target.card.spec.size * log(2)) if target.scores_probabilities else None
    return LikelihoodResult(
        request.model,
        reply.timing,
        log_prob,
        kind=reply.info["kind"],
        std_error=reply.arrays.get("std_error"),
        bits_per_dim=bits,
        terms=_terms(reply),
        grid=grid,
    )


def _terms(reply: Reply) -> dict[str, np.ndarray]:
    """The terms of each row's likelihood, by name."""
    terms = {name.removeprefix(TERMS): array for name, array in reply.arrays.items() if name.startswith(TERMS)}
    return {name: np.asarray(array, np.float64) for name, array in terms.items()}
