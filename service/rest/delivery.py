"""Samples: how a request wants one delivered, by its headers `Accept` and `Prefer`, and the response.

References:
    | Prefer Header for HTTP (Snell, 2014), RFC 7240: `respond-async`
"""

from __future__ import annotations

from contextlib import nullcontext

from fastapi import Response

from pushforward.models.data.tables.media_types import MEDIA_TYPES as TABLE_TYPES
from pushforward.service.application.application import Application
from pushforward.service.application.commands.commands import Sample
from pushforward.service.application.delivery import Delivery, Form
from pushforward.service.application.results import SampleResult, SampleStream
from pushforward.service.domain.errors import names, naming
from pushforward.service.domain.jobs import Job
from pushforward.service.formats import npy, png
from pushforward.service.formats.charts import svg
from pushforward.service.http.headers import RequestHeaders
from pushforward.service.rest import sse
from pushforward.service.rest.media_types import JSON
from pushforward.service.rest.responses import job_started, render
from pushforward.service.rest.streams import array_response, event_response, table_response

FILE_TYPES = frozenset({npy.MEDIA_TYPE, *TABLE_TYPES})  # that a job writes
PREFERENCE = "respond-async"
FORMS = {
    JSON: Form.REPLY,
    png.MEDIA_TYPE: Form.REPLY,
    svg.MEDIA_TYPE: Form.REPLY,
    **dict.fromkeys(TABLE_TYPES, Form.ARRAY),
    npy.MEDIA_TYPE: Form.ARRAY,
    sse.MEDIA_TYPE: Form.EVENTS,
}


async def respond(headers: RequestHeaders, application: Application, ask: Sample, media_type: str) -> Response:
    """The response to a sample request. Raises what `Application.sample` raises, and NotAcceptable."""
    delivery: Delivery[Job | SampleResult | SampleStream] = Delivery(
        Form.JOB if _prefers_job(headers.prefer) else FORMS[media_type],
        large_as_job=True,
        idempotency_key=headers.idempotency_key,
        media_type=media_type if media_type in FILE_TYPES else None,
    )
    has_key = headers.idempotency_key is not None
    with naming(names(idempotency_key="Idempotency-Key")) if has_key else nullcontext():
        delivered = await application.sample(ask, delivery)
    match delivered:
        case Job():
            return job_started(delivered)
        case SampleResult():
            return await render(delivered, media_type)
        case SampleStream():
            return _streamed(delivered, media_type)


def _streamed(stream: SampleStream, media_type: str) -> Response:
    """Raises NotAcceptable."""
    if media_type in TABLE_TYPES:
        return table_response(stream, media_type)
    return event_response(stream) if media_type == sse.MEDIA_TYPE else array_response(stream)


def _prefers_job(prefer: str | None) -> bool:
    """Whether `Prefer` requests a response now and the work later."""
    if prefer is None:
        return False
    return any(part.partition(";")[0].strip().lower() == PREFERENCE for part in prefer.split(","))
