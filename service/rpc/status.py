"""Every refusal as a gRPC status with details: the faulty fields, the stable reason, when to try again.

References:
    | AIP-193: Errors (Google, 2019), https://google.aip.dev/193
"""

from __future__ import annotations

import logging
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from pushforward.service.domain.errors import Kind, RemedyName, ServiceError

DOMAIN = "pushforward"

# A status travels in trailers, of which a client reads 8 KiB at most.
MAX_FAULTS = 8
MAX_FIELD_CHARS = 100
MAX_MESSAGE_CHARS = 300

CODES: dict[Kind, grpc.StatusCode] = {
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.MALFORMED: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    Kind.TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.HEADERS_TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.TOO_SLOW: grpc.StatusCode.DEADLINE_EXCEEDED,
    Kind.MISDIRECTED: grpc.StatusCode.FAILED_PRECONDITION,
    Kind.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    Kind.UNSUPPORTED_MEDIA: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.NOT_ACCEPTABLE: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Kind.TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
    Kind.INTERNAL: grpc.StatusCode.INTERNAL,
}

REMEDIES: dict[RemedyName, str] = {
    "stream": "take up to {rows} with SampleStream",
    "file": "StartSampling draws more, into a file",
    "preview": "call SampleStream",
    "text": "give a Tensor of dtype string",
}

log = logging.getLogger(__name__)


def status(error: ServiceError) -> Status:
    """A refusal as `google.rpc.Status`."""
    detail, errors = error.with_remedy(REMEDIES)
    details = [_pack(ErrorInfo(reason=error.slug, domain=DOMAIN))]
    if errors:
        faults = [
            BadRequest.FieldViolation(field=f.field[:MAX_FIELD_CHARS], description=f.message[:MAX_MESSAGE_CHARS])
            for f in errors[:MAX_FAULTS]
        ]
        details.append(_pack(BadRequest(field_violations=faults)))
    if error.retry_after_s is not None:
        delay = Duration()
        delay.FromMilliseconds(round(1000 * error.retry_after_s))
        details.append(_pack(RetryInfo(retry_delay=delay)))
    return Status(code=CODES[error.kind].value[0], message=detail[:MAX_MESSAGE_CHARS], details=details)


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: ServiceError) -> NoReturn:
    """End the call with a refusal."""
    if error.kind is Kind.INTERNAL:
        log.error("a call failed", exc_info=error)
    await context.abort_with_status(rpc_status.to_status(status(error)))  # type: ignore[attr-defined]
    raise AssertionError("abort_with_status raises")


def _pack(message: Any) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed
