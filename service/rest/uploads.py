"""Uploads: from a request whose body is a file to the command and the bytes as they come.

References:
    | Digest Fields (Polli & Pardue, 2024), RFC 9530: `Content-Digest`
    | HTTP Semantics (Fielding, Nottingham & Reschke, 2022), RFC 9110, section 13.1.1: `If-Match`
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any

from fastapi import Request

from pushforward.service.application.commands.uploads import PutDataset
from pushforward.service.application.commands.validation import parse
from pushforward.service.domain.errors import Invalid, UnsupportedMedia
from pushforward.service.http.headers import headers_of

_SHA256 = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):\s*(?=,|$)")  # of 32 bytes
_DIGEST = "Content-Digest"
HEADERS = {"sha256": _DIGEST, "if_match": "If-Match", "bytes": "Content-Length"}


def upload_of(request: Request, name: str, content_digest: str | None, if_match: str | None) -> PutDataset:
    """The command of an upload. Raises Invalid, UnsupportedMedia."""
    headers = headers_of(request.scope)
    if headers.content_encoding not in ("", "identity"):
        coding = headers.content_encoding[:100]
        raise UnsupportedMedia(f"the content encoding is {coding}; send the body as it is")
    fields: dict[str, Any] = {"name": name, "media_type": headers.content_type}
    if "content-length" in request.headers:
        fields["bytes"] = headers.announced_bytes
    if content_digest is not None:
        fields["sha256"] = _sha256(content_digest)
    if if_match is not None:
        fields["if_match"] = if_match.strip().removeprefix('"').removesuffix('"')
    return parse(PutDataset, fields)


def _sha256(content_digest: str) -> str:
    """Raises Invalid."""
    found = _SHA256.search(content_digest)
    if found is None:
        raise Invalid.field("sha256", "must hold sha-256=:...:, the digest in base64")
    return b64decode(found[1]).hex()
