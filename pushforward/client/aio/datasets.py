"""Datasets: uploaded, shown, outlined, downloaded, deleted."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeAlias, final

from pushforward.client.aio.connection import AsyncConnection
from pushforward.client.answers import Dataset, DatasetOutline, read
from pushforward.client.bodies import Request, segment, with_json

Names: TypeAlias = list[str]

PART_BYTES = 1 << 20


@final
class AsyncDatasets:
    """The datasets of a service."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def list(self) -> list[Dataset]:
        """All of them. Raises PushforwardError, as all methods do."""
        answer = await self._connection.json(Request("GET", "/datasets"))
        return [read(Dataset, each) for each in answer["datasets"]]

    async def get(self, name: str) -> Dataset:
        """One of them."""
        return read(Dataset, await self._connection.json(Request("GET", f"/datasets/{segment(name)}")))

    async def put(self, name: str, file: Path, media_type: str, *, replaces: str | None = None) -> Dataset:
        """Upload a file; `replaces` is the sha256 of the present one of this name. Raises OSError of the file."""
        digest = base64.b64encode(_sha256(file)).decode()
        headers = {"Content-Type": media_type, "Content-Digest": f"sha-256=:{digest}:"}
        headers["Content-Length"] = str(file.stat().st_size)
        if replaces is not None:
            headers["If-Match"] = f'"{replaces}"'
        request = Request("PUT", f"/datasets/{segment(name)}", headers=headers)
        return read(Dataset, await self._connection.upload(request, _parts(file)))

    async def outline(self, name: str, **data: Any) -> DatasetOutline:
        """What it would be as data of a run; `data` has fields of its source, such as `columns` of a table."""
        request = with_json("POST", f"/datasets/{segment(name)}/outline", {"data": data})
        return read(DatasetOutline, await self._connection.json(request))

    async def download(self, name: str, path: Path) -> None:
        """Write its file, whole or not at all. Raises BrokenAnswer, and OSError of `path`."""
        dataset = await self.get(name)
        await self._connection.save(Request("GET", f"/datasets/{segment(name)}/content"), path, sha256=dataset.sha256)

    async def delete(self, name: str) -> Names:
        """Delete it; runs that were accepted keep their bytes."""
        deleted: Names = (await self._connection.json(Request("DELETE", f"/datasets/{segment(name)}")))["deleted"]
        return deleted


def _sha256(file: Path) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


async def _parts(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as stream:
        while part := stream.read(PART_BYTES):
            yield part
