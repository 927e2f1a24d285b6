"""Every refusal as an RFC 9457 problem document, `application/problem+json`.

References:
    | Problem Details for HTTP APIs (Nottingham, Wilde & Dalal, 2023), RFC 9457
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from math import ceil
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from pushforward.service.application.commands.validation import invalid
from pushforward.service.domain.errors import Failed, Kind, RemedyName, ServiceError

MEDIA_TYPE = "application/problem+json"
MAX_PATH_CHARS = 500  # of a path in a response
RETRY_AFTER_S = 1.0  # where a refusal does not say when to try again

STATUS: dict[Kind, HTTPStatus] = {
    Kind.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Kind.MALFORMED: HTTPStatus.BAD_REQUEST,
    Kind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Kind.CONFLICT: HTTPStatus.CONFLICT,
    Kind.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Kind.HEADERS_TOO_LARGE: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    Kind.TOO_SLOW: HTTPStatus.REQUEST_TIMEOUT,
    Kind.MISDIRECTED: HTTPStatus.MISDIRECTED_REQUEST,
    Kind.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Kind.UNSUPPORTED_MEDIA: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Kind.NOT_ACCEPTABLE: HTTPStatus.NOT_ACCEPTABLE,
    Kind.OVERLOADED: HTTPStatus.SERVICE_UNAVAILABLE,
    Kind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Kind.TIMEOUT: HTTPStatus.GATEWAY_TIMEOUT,
    Kind.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}

REMEDIES: dict[RemedyName, str] = {
    "stream": "take up to {rows} in a stream: accept application/x-npy",
    "file": "send `Prefer: respond-async`, and a job draws them into a file",
    "preview": "accept text/event-stream",
    "text": 'give {"text": "..."}',
}

log = logging.getLogger(__name__)


def document(error: ServiceError, instance: str) -> dict[str, Any]:
    """The members of a problem document; `instance` is the path of the request."""
    detail, errors = error.with_remedy(REMEDIES)
    members: dict[str, Any] = {
        "type": f"/problems/{error.slug}",
        "title": error.title,
        "status": STATUS[error.kind].value,
        "detail": detail,
        "instance": instance[:MAX_PATH_CHARS],
    }
    if errors:
        members["errors"] = [{"field": fault.field, "message": fault.message} for fault in errors]
    return members


def response(error: ServiceError, instance: str) -> Response:
    """A refusal as a response."""
    headers = {}
    if STATUS[error.kind] is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(max(1, ceil(error.retry_after_s or RETRY_AFTER_S)))
    if error.kind is Kind.TOO_LARGE:
        headers["Connection"] = "close"  # the rest of the body is not read
    return _write(document(error, instance), headers)


def unread(error: ServiceError, instance: str) -> Response:
    """A refusal before the body is read, or the rest of it: the connection ends."""
    refusal = response(error, instance)
    refusal.headers["Connection"] = "close"
    return refusal


def install(app: FastAPI) -> None:
    """Make every refusal of the app a problem document."""
    app.add_exception_handler(ServiceError, refused)
    app.add_exception_handler(RequestValidationError, _bad_query)
    app.add_exception_handler(HTTPException, _bad_route)
    app.add_exception_handler(Exception, failed)


def refused(request: Request, error: Exception) -> Response:
    """A refusal of the service as a response; a defect is logged."""
    if not isinstance(error, ServiceError):
        return failed(request, error)
    if error.kind is Kind.INTERNAL:
        log.error("%s %r failed", request.method, request.scope["path"], exc_info=error)
    return response(error, request.scope["path"])


def _bad_query(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        return failed(request, error)
    complaints = [{**complaint, "loc": complaint["loc"][1:]} for complaint in error.errors()]  # query | path | header
    return response(invalid(complaints, None), request.scope["path"])


def _bad_route(request: Request, error: Exception) -> Response:
    """A refusal of the router: an unknown path or method."""
    if not isinstance(error, HTTPException):
        return failed(request, error)
    status = HTTPStatus(error.status_code)
    path, headers = request.scope["path"][:MAX_PATH_CHARS], dict(error.headers or {})
    detail = str(error.detail)
    if status is HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {path}; see /docs"
    elif status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _methods(request)
        detail = f"{request.method} is not answered here; send {headers['Allow']}"
    members = {
        "type": f"/problems/{status.phrase.lower().replace(' ', '-')}",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "instance": path,
    }
    return _write(members, headers)


def _methods(request: Request) -> str:
    """The methods of all routes of this path."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    matching = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    found = {method for route in matching for method in route.methods or ()}
    return ", ".join(sorted(found | ({"HEAD"} if "GET" in found else set())))


def failed(request: Request, error: Exception) -> Response:
    """A defect: its trace is logged by the server, and not in the response."""
    return response(Failed("an unexpected error; the service's log tells more"), request.scope["path"])


def _write(members: dict[str, Any], headers: dict[str, str]) -> Response:
    return Response(orjson.dumps(members), members["status"], headers, MEDIA_TYPE)


def raw(error: ServiceError, *, connection: str = "close") -> bytes:
    """The response to a request that never reached the app."""
    status = STATUS[error.kind].value
    body = orjson.dumps(document(error, ""))
    fields = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), "Connection": connection}
    if error.retry_after_s is not None:
        fields["Retry-After"] = str(ceil(error.retry_after_s))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return STATUS_LINE[status] + head.encode() + b"\r\n" + body
