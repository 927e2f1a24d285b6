"""Datasets: uploaded, shown, outlined, downloaded, deleted."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias, final

from pushforward.client.answers import Dataset, DatasetOutline, read
from pushforward.client.bodies import Request, segment, with_json
from pushforward.client.sync.connection import Connection

Names: TypeAlias = list[str]

PART_BYTES = 1 << 20


@final
class Datasets:
    """The datasets of a service."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> list[Dataset]:
        """All of them. Raises PushforwardError, as all methods do."""
        answer = self._connection.json(Request("GET", "/datasets"))
        return [read(Dataset, each) for each in answer["datasets"]]

    def get(self, name: str) -> Dataset:
        """One of them."""
        return read(Dataset, self._connection.json(Request("GET", f"/datasets/{segment(name)}")))

    def put(self, name: str, file: Path, media_type: str, *, replaces: str | None = None) -> Dataset:
        """Upload a file; `replaces` is the sha256 of the present one of this name. Raises OSError of the file."""
        digest = base64.b64encode(_sha256(file)).decode()
        headers = {"Content-Type": media_type, "Content-Digest": f"sha-256=:{digest}:"}
        headers["Content-Length"] = str(file.stat().st_size)
        if replaces is not None:
            headers["If-Match"] = f'"{replaces}"'
        request = Request("PUT", f"/datasets/{segment(name)}", headers=headers)
        return read(Dataset, self._connection.upload(request, _parts(file)))

    def outline(self, name: str, **data: Any) -> DatasetOutline:
        """What it would be as data of a run; `data` has fields of its source, such as `columns` of a table."""
        request = with_json("POST", f"/datasets/{segment(name)}/outline", {"data": data})
        return read(DatasetOutline, self._connection.json(request))

    def download(self, name: str, path: Path) -> None:
        """Write its file, whole or not at all. Raises BrokenAnswer, and OSError of `path`."""
        dataset = self.get(name)
        self._connection.save(Request("GET", f"/datasets/{segment(name)}/content"), path, sha256=dataset.sha256)

    def delete(self, name: str) -> Names:
        """Delete it; runs that were accepted keep their bytes."""
        deleted: Names = (self._connection.json(Request("DELETE", f"/datasets/{segment(name)}")))["deleted"]
        return deleted


def _sha256(file: Path) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _parts(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while part := stream.read(PART_BYTES):
            yield part
