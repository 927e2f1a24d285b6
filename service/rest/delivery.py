"""Samples: how a request wants one delivered, by its headers `Accept` and `Prefer`, and the response.

References:
    | Prefer Header for HTTP (Snell, 2014), RFC 7240: `respond-async`
"""

from __future__ import annotations

from contextlib import nullcontext

from fastapi import Response

from pushforward.service.application.application import Application
from pushforward.service.application.commands.commands import Sample
from pushforward.service.application.delivery import Delivery, Form
from pushforward.service.application.results import SampleResult, SampleStream
from pushforward.service.domain.errors import names, naming
from pushforward.service.domain.jobs import Job
from pushforward.service.formats import npy, png, tables
from pushforward.service.http.headers import RequestHeaders
from pushforward.service.rest import sse
from pushforward.service.rest.media_types import JSON
from pushforward.service.rest.responses import job_started, render
from pushforward.service.rest.streams import array_response, event_response

PREFERENCE = "respond-async"
FORMS = {
    JSON: Form.REPLY,
    png.MEDIA_TYPE: Form.REPLY,
    **dict.fromkeys(tables.MEDIA_TYPES, Form.REPLY),
    npy.MEDIA_TYPE: Form.ARRAY,
    sse.MEDIA_TYPE: Form.EVENTS,
}


async def respond(headers: RequestHeaders, application: Application, ask: Sample, media_type: str) -> Response:
    """The response to a sample request. Raises what `Application.sample` raises, and NotAcceptable."""
    delivery: Delivery[Job | SampleResult | SampleStream] = Delivery(
        Form.JOB if _prefers_job(headers.prefer) else FORMS[media_type],
        large_as_job=True,
        idempotency_key=headers.idempotency_key,
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
            return event_response(delivered) if media_type == sse.MEDIA_TYPE else array_response(delivered)


def _prefers_job(prefer: str | None) -> bool:
    """Whether `Prefer` requests a response now and the work later."""
    if prefer is None:
        return False
    return any(part.partition(";")[0].strip().lower() == PREFERENCE for part in prefer.split(","))
