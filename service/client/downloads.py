"""Downloads of a job's file, resumed where a connection breaks off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, BinaryIO

import httpx

from pushforward.service.client.connection import ServiceConnection, accepted
from pushforward.service.client.outage import OutageTimer


def write_file(connection: ServiceConnection, job: Mapping[str, Any], stream: BinaryIO) -> str:
    """Write a job's file to an open one, and return its sha256. Raises Refused, Unreachable."""
    digest, outage = sha256(), OutageTimer()
    while stream.tell() < (job["file_bytes"] or 1):  # for a job without a file, so that it is refused with the reason
        try:
            for piece in _pieces(connection, job["id"], stream.tell()):
                stream.write(piece)
                digest.update(piece)
                outage.end()
        except httpx.TransportError as error:
            outage.wait(f"the file of job {job['id']} cannot be downloaded", error)
    return digest.hexdigest()


def _pieces(connection: ServiceConnection, job_id: str, start: int) -> Iterator[bytes]:
    """The bytes from `start` on."""
    with connection.http.stream("GET", f"/jobs/{job_id}/file", headers={"Range": f"bytes={start}-"}) as response:
        yield from accepted(response).iter_raw()  # pieces before a break are kept
