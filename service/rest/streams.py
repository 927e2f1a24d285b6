"""Samples that are sent as they come: the rows of a long one as one npy array, or looks at the rows on their way.

A client that reads slowly holds the stream back: nothing is asked for before what came before it has gone out.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from math import prod
from typing import final

import numpy as np
import orjson
from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from pushforward.service.application.application import Application
from pushforward.service.application.commands.commands import Sample
from pushforward.service.application.results import Preview, Samples
from pushforward.service.domain.errors import Kind, ServiceError
from pushforward.service.formats import npy
from pushforward.service.http import problems
from pushforward.service.rest import media
from pushforward.service.rest import sse as events
from pushforward.service.rest.disconnects import until_disconnected

WHOLE_ROWS = 64  # so few rows are not worth the thought whether they are sent in parts

Piece = bytes | memoryview

log = logging.getLogger(__name__)


@final
class Stream(StreamingResponse):
    """A body sent piece by piece.

    A refusal in its midst leaves it unfinished: the server closes the connection, and the client sees that the body
    is shorter than it was told.
    """

    def __init__(
        self, pieces: AsyncGenerator[Piece], *, media_type: str, headers: Mapping[str, str], status: int = 200
    ) -> None:
        super().__init__(pieces, status, media_type=media_type, headers=headers)
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await until_disconnected(receive, self._send(scope["path"], send))

    async def _send(self, path: str, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async with aclosing(self._pieces) as pieces:
                async for piece in pieces:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        except ServiceError as error:
            trace = error if error.kind is Kind.INTERNAL else None
            log.warning("the answer to %s broke off: %s", path, error.detail, exc_info=trace)
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def answer(app: Application, ask: Sample, media_type: str) -> Response:
    """A sample in a media type. Raises what `Application.ask` does, and NotAcceptable."""
    if media_type == events.MEDIA_TYPE:
        return await previews(app, ask)
    if media_type == npy.MEDIA_TYPE and ask.n > WHOLE_ROWS:
        return await rows(app, ask)
    return await media.render(await app.ask(ask), media_type)


async def rows(app: Application, ask: Sample) -> Response:
    """The rows as npy: whole, with their timing, where they fit into one part. Raises what `Application.ask` does."""
    parts = app.stream(ask)
    first = await anext(parts)
    if len(first.samples) == ask.n:
        return await media.render(first, npy.MEDIA_TYPE)
    shape, dtype = (ask.n, *first.spec.shape), np.dtype(first.spec.dtype).newbyteorder("<")
    header = npy.header(shape, dtype)
    headers = media.origin(first) | {"Content-Length": str(len(header) + prod(shape) * dtype.itemsize)}
    return Stream(_array(header, dtype, first, parts), media_type=npy.MEDIA_TYPE, headers=headers)


async def previews(app: Application, ask: Sample) -> Response:
    """Looks at the rows on their way, then the rows, as events. Raises what `Application.ask` does."""
    news = app.preview(ask)
    first = await anext(news)
    headers = media.origin(first) | {"Cache-Control": "no-store"}
    return Stream(_told(first, news), media_type=events.MEDIA_TYPE, headers=headers)


async def _array(
    header: bytes, dtype: np.dtype, first: Samples, rest: AsyncGenerator[Samples]
) -> AsyncGenerator[Piece]:
    yield header
    yield _bytes(first, dtype)
    async with aclosing(rest):
        async for part in rest:
            yield _bytes(part, dtype)


def _bytes(part: Samples, dtype: np.dtype) -> memoryview:
    return np.ascontiguousarray(part.samples, dtype).data.cast("B")


async def _told(first: Preview | Samples, rest: AsyncGenerator[Preview | Samples]) -> AsyncGenerator[Piece]:
    """A refusal on the way is the last event."""
    yield await _event(first)
    try:
        async with aclosing(rest):
            async for news in rest:
                yield await _event(news)
    except ServiceError as error:
        log.warning("a sample with previews was refused on its way: %s", error.detail)
        yield events.write("problem", orjson.dumps(problems.document(error, "/sample")))


async def _event(news: Preview | Samples) -> bytes:
    return events.write("preview" if isinstance(news, Preview) else "samples", await media.json(news))
