"""Downloads of files: those of samplings, and datasets.

References:
    | HTTP Semantics (Fielding, Nottingham & Reschke, 2022), RFC 9110, section 14: ranges
    | Digest Fields (Polli & Pardue, 2024), RFC 9530
"""

from __future__ import annotations

import re
from base64 import b64encode
from http import HTTPStatus

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from pushforward.service.application.datasets import DatasetFile
from pushforward.service.application.jobs import JobFile
from pushforward.service.rest.streams import Stream

_RANGE = re.compile(r"bytes=(\d{1,19})?-(\d{1,19})?")


def download(request: Request, file: JobFile | DatasetFile) -> Response:
    """The file, or the one requested range of it; a few pieces are in memory at a time."""
    tag = f'"{file.sha256}"'
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "ETag": tag,
        "Repr-Digest": f"sha-256=:{b64encode(bytes.fromhex(file.sha256)).decode()}:",
    }
    start, stop, status = 0, file.n_bytes, HTTPStatus.OK
    wanted = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if wanted and any(wanted.groups()) and request.headers.get("if-range", tag) == tag:
        start, stop = _bounds(wanted[1], wanted[2], file.n_bytes)
        status = HTTPStatus.PARTIAL_CONTENT
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.n_bytes}"
    headers["Content-Length"] = str(stop - start)
    return Stream(file.read(start, stop), media_type=file.media_type, headers=headers, status=status)


def _bounds(first: str | None, last: str | None, n_bytes: int) -> tuple[int, int]:
    """Start and stop of `bytes=first-last`, of `first-` and of the last bytes, `-last`. Raises HTTPException."""
    if first is None:
        start, stop = n_bytes - min(int(last or 0), n_bytes), n_bytes
    else:
        start, stop = int(first), n_bytes if last is None else min(int(last) + 1, n_bytes)
    if start >= stop:
        raise HTTPException(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            f"the file has {n_bytes} bytes; ask for a range of them",
            {"Content-Range": f"bytes */{n_bytes}"},
        )
    return start, stop
