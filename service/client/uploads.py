"""Uploads of files, with their digests, so that what came is what was sent."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from pushforward.service.client.connection import ServiceConnection

PIECE_BYTES = 2**20
ANSWER_S = 600.0  # the service writes the file to its disk before it answers


def put_file(
    connection: ServiceConnection, name: str, file: Path, media_type: str, replaces: str | None
) -> dict[str, Any]:
    """Upload a file; its record. Raises Refused, Unreachable, OSError."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").digest()
        n_bytes = stream.tell()
        stream.seek(0)
        headers = {
            "Content-Type": media_type,
            "Content-Length": str(n_bytes),
            "Content-Digest": f"sha-256=:{b64encode(digest).decode()}:",
            **({} if replaces is None else {"If-Match": f'"{replaces}"'}),
        }
        path = f"/datasets/{quote(name, safe='')}"
        answer = connection.request("PUT", path, content=_pieces(stream), headers=headers, timeout_s=ANSWER_S)
    record: dict[str, Any] = answer.json()
    return record


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(PIECE_BYTES):
        yield piece
