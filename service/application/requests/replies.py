"""From a worker's reply to the result of a request. All raise Failed where the reply does not fit the request."""

from __future__ import annotations

from math import log

import numpy as np

from pushforward.service.application.commands.commands import AnyAsk, Encode, Likelihood, Sample
from pushforward.service.application.requests.requests import Subject
from pushforward.service.application.results import (
    CodesResult,
    InferenceResult,
    LikelihoodResult,
    PointsResult,
    PreviewResult,
    SampleResult,
)
from pushforward.service.domain.errors import Failed
from pushforward.service.domain.inference import Preview, Question, Reply

TERMS = "terms."  # before the name of such an array of a reply


def result(subject: Subject, ask: AnyAsk, question: Question, reply: Reply) -> InferenceResult:
    """The result of a request with one reply."""
    model, timing = question.model, reply.timing
    try:
        match ask:
            case Sample():
                return samples(subject, question, reply)
            case Encode():
                return CodesResult(model, timing, reply.arrays["z"])
            case Likelihood():
                return _likelihood(subject, question, reply)
            case _:
                return PointsResult(model, timing, reply.arrays["x"], subject.card.spec)
    except KeyError as error:
        raise Failed(f"the worker's reply lacks {error}") from error


def samples(subject: Subject, question: Question, reply: Reply) -> SampleResult:
    """The rows of a sample, or of a part of it."""
    spec = subject.card.spec
    rows = reply.arrays.get("samples", np.empty(0))
    if rows.shape != (question.rows, *spec.shape):
        wanted = [question.rows, *spec.shape]
        raise Failed(f"the worker replied with samples of shape {list(rows.shape)} instead of {wanted}")
    return SampleResult(question.model, reply.timing, question.seed, rows, spec)


def preview(question: Question, seen: Preview) -> PreviewResult:
    """The rows of a sample between noise and data."""
    if "samples" not in seen.arrays:
        raise Failed("the worker's preview lacks its samples")
    return PreviewResult(question.model, question.seed, seen.step, seen.steps, seen.arrays["samples"])


def _likelihood(subject: Subject, question: Question, reply: Reply) -> LikelihoodResult:
    log_prob = np.asarray(reply.arrays["log_prob"], np.float64)
    bits = -log_prob / (subject.card.spec.size * log(2)) if subject.scores_only_levels else None
    return LikelihoodResult(
        question.model,
        reply.timing,
        log_prob,
        kind=reply.info["kind"],
        std_error=reply.arrays.get("std_error"),
        bits_per_dim=bits,
        terms=_terms(reply),
    )


def _terms(reply: Reply) -> dict[str, np.ndarray]:
    """The terms of each row's likelihood, by name."""
    terms = {name.removeprefix(TERMS): array for name, array in reply.arrays.items() if name.startswith(TERMS)}
    return {name: np.asarray(array, np.float64) for name, array in terms.items()}
