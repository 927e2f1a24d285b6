"""The headers that matter for every request, read in one pass."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from starlette.types import Scope

from pushforward.service.domain.errors import Malformed

SINGLE = frozenset({b"host", b"content-type", b"origin", b"idempotency-key", b"last-event-id", b"range"})


class RequestHeaders(NamedTuple):
    """The headers of one request; empty where it has no such header."""

    host: str
    origin: str
    site: str  # Sec-Fetch-Site: the relation of a browser's page to this service
    content_type: str  # without parameters, in lower case
    content_encoding: str
    accept: str | None  # of a list, sent in several lines or in one (RFC 9110, section 5.3); None without it
    prefer: str | None
    idempotency_key: str | None
    announced_bytes: int  # Content-Length
    has_body: bool


def read_headers(scope: Scope) -> RequestHeaders:
    """Raises Malformed where a header with one value is sent twice."""
    return _read(tuple(scope["headers"]))


@lru_cache(maxsize=256)  # a client sends the same ones again and again
def _read(headers: tuple[tuple[bytes, bytes], ...]) -> RequestHeaders:
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in found:
            if name in SINGLE:
                raise Malformed(f"the header {name.decode('latin-1')} is sent twice; send it once")
            value = b"%b,%b" % (found[name], value)
        found[name] = value
    length = found.get(b"content-length", b"0")
    announced_bytes = int(length) if length.isdigit() and len(length) < 20 else 0
    return RequestHeaders(
        host=_word(found.get(b"host")),
        origin=_word(found.get(b"origin")),
        site=_word(found.get(b"sec-fetch-site")),
        content_type=_word(found.get(b"content-type", b"").partition(b";")[0]),
        content_encoding=_word(found.get(b"content-encoding")),
        accept=_text(found.get(b"accept")),
        prefer=_text(found.get(b"prefer")),
        idempotency_key=_text(found.get(b"idempotency-key")),
        announced_bytes=announced_bytes,
        has_body=announced_bytes > 0 or b"transfer-encoding" in found,
    )


def headers_of(scope: Scope) -> RequestHeaders:
    """The headers as they were read when the request was let in."""
    headers: RequestHeaders = scope["read_headers"]
    return headers


def _word(value: bytes | None) -> str:
    return value.decode("latin-1").strip().lower() if value else ""


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
