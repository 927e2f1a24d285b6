"""The headers that matter for every request, read in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from starlette.types import Scope

from pushforward.service.domain.errors import Malformed

SINGLE = frozenset({b"host", b"content-type", b"origin", b"idempotency-key", b"last-event-id", b"range"})


@final
@dataclass(frozen=True, slots=True)
class RequestHeaders:
    """The headers of one request; empty where it has no such header."""

    host: str
    origin: str
    site: str  # Sec-Fetch-Site: the relation of a browser's page to this service
    content_type: str  # without parameters, in lower case
    announced_bytes: int  # Content-Length
    has_body: bool


def read_headers(scope: Scope) -> RequestHeaders:
    """Raises Malformed where a header with one value is sent twice."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in found and name in SINGLE:
            raise Malformed(f"the header {name.decode('latin-1')} is sent twice; send it once")
        found[name] = value
    length = found.get(b"content-length", b"0")
    announced_bytes = int(length) if length.isdigit() and len(length) < 20 else 0
    media_type = found.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return RequestHeaders(
        host=found.get(b"host", b"").decode("latin-1").strip().lower(),
        origin=found.get(b"origin", b"").decode("latin-1").strip().lower(),
        site=found.get(b"sec-fetch-site", b"").decode("latin-1").strip().lower(),
        content_type=media_type.decode("latin-1"),
        announced_bytes=announced_bytes,
        has_body=announced_bytes > 0 or b"transfer-encoding" in found,
    )


def joined(scope: Scope, wanted: bytes) -> str | None:
    """The values of a list header, which may be sent in several lines (RFC 9110, section 5.3); None without it."""
    values = [value for name, value in scope["headers"] if name == wanted]
    return b",".join(values).decode("latin-1") if values else None
