"""Samples that are sent as they are drawn: the parts of a long one as one npy array or one file of a table, or previews
as events.

A client that reads slowly slows the stream down: the next part is requested when the one before it was sent.
"""

from __future__ import annotations

import asyncio
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

from pushforward.service.application.results import PreviewResult, SampleStream
from pushforward.service.domain.errors import Kind, ServiceError
from pushforward.service.formats import npy
from pushforward.service.formats.table_files import TableWriter, in_file, of_table
from pushforward.service.http import problems
from pushforward.service.rest import sse
from pushforward.service.rest.disconnects import until_disconnected
from pushforward.service.rest.responses import json, origin

Piece = bytes | memoryview

log = logging.getLogger(__name__)


@final
class Stream(StreamingResponse):
    """A body sent piece by piece.

    A refusal after the first piece leaves the body unfinished: the server closes the connection, and the client sees
    that the body is shorter than announced.
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


def array_response(stream: SampleStream) -> Response:
    """The rows of all parts as one npy array."""
    shape, dtype = (stream.n, *stream.spec.shape), np.dtype(stream.spec.dtype).newbyteorder("<")
    header = npy.header(shape, dtype)
    headers = origin(stream.first) | {"Content-Length": str(len(header) + prod(shape) * dtype.itemsize)}
    return Stream(_array(header, dtype, stream), media_type=npy.MEDIA_TYPE, headers=headers)


def table_response(stream: SampleStream, media_type: str) -> Response:
    """The rows of all parts as one file. Raises NotAcceptable where they are none of a table."""
    writer = TableWriter(media_type, of_table(stream.spec.file_table, media_type))
    return Stream(_file(writer, stream), media_type=media_type, headers=origin(stream.first))


def event_response(stream: SampleStream) -> Response:
    """Previews and the sample as Server-Sent Events."""
    headers = origin(stream.first) | {"Cache-Control": "no-store"}
    return Stream(_events(stream), media_type=sse.MEDIA_TYPE, headers=headers)


async def _array(header: bytes, dtype: np.dtype, stream: SampleStream) -> AsyncGenerator[Piece]:
    yield header
    async with aclosing(stream.items()) as parts:
        async for part in parts:
            yield np.ascontiguousarray(part.samples, dtype).data.cast("B")


async def _file(writer: TableWriter, stream: SampleStream) -> AsyncGenerator[Piece]:
    async with aclosing(stream.items()) as parts:
        async for part in parts:
            rows = in_file(part.samples, stream.spec, part.condition)
            if rows is not None:
                yield await asyncio.to_thread(writer.piece, rows.cells)
    yield writer.end()


async def _events(stream: SampleStream) -> AsyncGenerator[Piece]:
    """A refusal after the first event is the last event."""
    try:
        async with aclosing(stream.items()) as items:
            async for item in items:
                kind = "preview" if isinstance(item, PreviewResult) else "samples"
                yield sse.write(kind, await json(item))
    except ServiceError as error:
        log.warning("a sample with previews was refused on its way: %s", error.detail)
        yield sse.write("problem", orjson.dumps(problems.document(error, "/sample")))
