"""Samples that a job draws into a file: when a request wants that, and how the file is downloaded.

References:
    | Prefer Header for HTTP (Snell, 2014), RFC 7240: `respond-async`
    | HTTP Semantics (Fielding, Nottingham & Reschke, 2022), RFC 9110, section 14: ranges
    | Digest Fields (Polli & Pardue, 2024), RFC 9530
"""

from __future__ import annotations

import re
from base64 import b64encode
from http import HTTPStatus

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from pushforward.service.application.application import Application, JobFile
from pushforward.service.application.commands.commands import Sample
from pushforward.service.domain.errors import names, naming
from pushforward.service.domain.jobs import Job
from pushforward.service.formats import npy
from pushforward.service.http.headers import joined
from pushforward.service.rest.streams import Stream

PREFERENCE = "respond-async"
_RANGE = re.compile(r"bytes=(\d{1,19})?-(\d{1,19})?")


async def start(request: Request, app: Application, ask: Sample) -> Job | None:
    """The job that draws this sample, where it is too large for an answer, or the client would rather not wait."""
    if not (app.needs_file(ask) or _prefers_job(request)):
        return None
    with naming(names(idempotency_key="Idempotency-Key")):
        return await app.sample_to_file(ask, idempotency_key=request.headers.get("idempotency-key"))


def download(request: Request, file: JobFile) -> Response:
    """The file, or the one range of it that was asked for; a few pieces of it are in memory at a time."""
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
    return Stream(file.read(start, stop), media_type=npy.MEDIA_TYPE, headers=headers, status=status)


def _prefers_job(request: Request) -> bool:
    """Whether `Prefer` asks for an answer now and the work later."""
    preferences = joined(request.scope, b"prefer")
    if preferences is None:
        return False
    return any(part.partition(";")[0].strip().lower() == PREFERENCE for part in preferences.split(","))


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
