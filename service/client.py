"""A client of the REST door: what the command line and the examples use.

with Client("http://127.0.0.1:8000") as client:
    job = client.train("digits-vae", preset="vae-digits")
    for event in client.watch(job["id"]): ...
    samples = client.ask("sample", {"model": "digits-vae", "n": 16}).json()["samples"]
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, Self

import httpx
import numpy as np

FINAL = ("succeeded", "failed", "cancelled")
PATIENCE_S = 60.0  # a watch outlasts an outage of the service so long
RETRY_S = 0.5


class Refused(Exception):
    """The service answered with a problem document."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self.problem = problem
        self.status = int(problem.get("status", 0))
        detail = str(problem.get("detail") or problem.get("title") or "refused")
        faults = [f"{error['field']}: {error['message']}" for error in problem.get("errors", [])]
        super().__init__("\n  ".join([detail, *(fault for fault in faults if fault not in detail)]))


class Unreachable(Exception):
    """Nothing answers at the address, or not in time."""


class Torn(Exception):
    """What was downloaded is not what the job left."""


class Client:
    """Speaks JSON over one connection pool; close it, or use it as a context manager."""

    def __init__(self, url: str, *, timeout_s: float = 60.0) -> None:
        self.url = url
        try:
            self._http = httpx.Client(base_url=url, timeout=timeout_s)
        except httpx.InvalidURL as error:
            raise Unreachable(f"{url!r} is not an address: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int) -> Any:
        """The JSON at a path. Raises Refused, Unreachable."""
        return self._request("GET", path, params=query).json()

    def delete(self, path: str) -> Any:
        """Raises Refused, Unreachable."""
        response = self._request("DELETE", path)
        return response.json() if response.content else None

    def train(
        self,
        model: str,
        *,
        preset: str | None = None,
        run: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Start a job from a preset, a run, or a preset with the fields of `run` changed; gives its record."""
        body = {"model": model, **_given({"preset": preset, "run": run})}
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        answer: dict[str, Any] = self._post("/train", body, headers=headers).json()
        return answer

    def sample_to_file(
        self,
        model: str,
        *,
        n: int,
        seed: int | None = None,
        options: Mapping[str, Any] = {},
        condition: Any = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Start a job that draws a sample into a file, whatever its size; gives its record."""
        chosen = {"seed": seed, "condition": condition}
        body = {"model": model, "n": n, "options": dict(options), **_given(chosen)}
        headers = {"Prefer": "respond-async"} | ({"Idempotency-Key": idempotency_key} if idempotency_key else {})
        answer: dict[str, Any] = self._post("/sample", body, headers=headers).json()
        return answer

    def download(self, job_id: str, path: Path) -> None:
        """Write the file that a sampling left, whole or not at all; goes on where a connection broke off.

        Raises Refused, Unreachable, Torn, and OSError where `path` cannot be written.
        """
        job = self.get(f"/jobs/{job_id}")
        with whole_file(path) as stream:
            if self._fetch(job, stream) != job["file_sha256"]:
                raise Torn(f"what came is not the file of job {job_id}: its sha256 differs; download it again")

    def _fetch(self, job: Mapping[str, Any], stream: BinaryIO) -> str:
        """Write a job's file, however often the connection breaks off; gives its sha256."""
        digest = sha256()
        lost_at: float | None = None
        while stream.tell() < (job["file_bytes"] or 1):  # a file of none is refused with its reason
            try:
                for piece in self._file(job["id"], stream.tell()):
                    stream.write(piece)
                    digest.update(piece)
                    lost_at = None
            except httpx.TransportError as error:
                lost_at = lost_at or time.monotonic()
                if time.monotonic() - lost_at > PATIENCE_S:
                    raise Unreachable(f"the file of job {job['id']} cannot be downloaded: {error}") from error
                time.sleep(RETRY_S)
        return digest.hexdigest()

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Ask for a job's end."""
        answer: dict[str, Any] = self._post(f"/jobs/{job_id}/cancel", None).json()
        return answer

    def watch(self, job_id: str, *, after: str = "0") -> Iterator[tuple[str, dict[str, Any]]]:
        """(kind, data) of a job's events, as they come, to its end; reconnects where it left off.

        Raises Refused, and Unreachable where the service stays away.
        """
        lost_at: float | None = None
        while True:
            try:
                for event_id, kind, data in self._events(job_id, after):
                    lost_at = None
                    after = event_id or after
                    if kind == "alive":
                        continue
                    yield kind, data
                    if kind == "state" and data["state"] in FINAL:
                        return
                if self.get(f"/jobs/{job_id}")["state"] in FINAL:
                    return
            except (httpx.TransportError, Unreachable) as error:
                problem: Exception = error
            except Refused as error:
                if error.status != 503:
                    raise
                problem = error
            else:
                problem = Unreachable("the events broke off")
            lost_at = lost_at or time.monotonic()
            if time.monotonic() - lost_at > PATIENCE_S:
                raise Unreachable(f"the events of job {job_id} cannot be followed: {problem}") from problem
            time.sleep(RETRY_S)

    def ask(self, op: str, body: Mapping[str, Any], *, accept: str = "application/json") -> httpx.Response:
        """The answer to `POST /{op}`; its media type is `accept`."""
        return self._post(f"/{op}", body, headers={"Accept": accept})

    def save(self, op: str, body: Mapping[str, Any], file: Path, *, accept: str) -> dict[str, Any] | None:
        """Write the answer to `POST /{op}` to a file as it comes, however long; what breaks off leaves no file.

        Gives the record of the job that was started in the place of an answer, where one was: then there is no file.
        Raises Refused, Unreachable, and OSError where the file cannot be written.
        """
        with whole_file(file) as stream:
            return self.write(op, body, stream, accept=accept)

    def write(self, op: str, body: Mapping[str, Any], stream: BinaryIO, *, accept: str) -> dict[str, Any] | None:
        """Write the answer to `POST /{op}` to an open file as it comes; otherwise as `save`."""
        headers = {"Content-Type": "application/json", "Accept": accept}
        content = _dumps(body)
        with (
            self._reaching("POST", f"/{op}"),
            self._http.stream("POST", f"/{op}", content=content, headers=headers) as answer,
        ):
            if answer.is_error or answer.status_code == HTTPStatus.ACCEPTED:
                answer.read()
            if answer.is_error:
                raise Refused(_problem(answer))
            if answer.status_code == HTTPStatus.ACCEPTED:
                job: dict[str, Any] = answer.json()
                return job
            try:
                stream.writelines(answer.iter_bytes())
            except httpx.RemoteProtocolError as error:
                raise Unreachable(f"the answer of {self.url} broke off; its log tells why") from error
        return None

    def _file(self, job_id: str, start: int) -> Iterator[bytes]:
        """The bytes of a job's file from `start` on."""
        with self._http.stream("GET", f"/jobs/{job_id}/file", headers={"Range": f"bytes={start}-"}) as response:
            if response.is_error:
                response.read()
                raise Refused(_problem(response))
            yield from response.iter_raw()  # what came before a break is kept

    def _events(self, job_id: str, after: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        headers = {"Last-Event-ID": after, "Accept": "text/event-stream"}
        timeout = httpx.Timeout(10.0, read=60.0)  # the door sends a heartbeat every 15 s
        with self._http.stream("GET", f"/jobs/{job_id}/events", headers=headers, timeout=timeout) as response:
            if response.is_error:
                response.read()
                raise Refused(_problem(response))
            event_id, kind, data = "", "message", ""
            for line in response.iter_lines():
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if name == "id":
                    event_id = value
                elif name == "event":
                    kind = value
                elif name == "data":
                    data += value
                elif name == "" and line:
                    yield event_id, "alive", {}
                elif line == "" and data:
                    yield event_id, kind, json.loads(data)
                    kind, data = "message", ""

    def _post(self, path: str, body: Any, *, headers: Mapping[str, str] = {}) -> httpx.Response:
        content = b"" if body is None else _dumps(body)
        return self._request("POST", path, content=content, headers={"Content-Type": "application/json", **headers})

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        with self._reaching(method, path):
            response = self._http.request(method, path, params=params, content=content, headers=headers)
        if response.is_error:
            raise Refused(_problem(response))
        return response

    @contextmanager
    def _reaching(self, method: str, path: str) -> Iterator[None]:
        """What may happen on the way. Raises Unreachable."""
        try:
            yield
        except (httpx.ReadTimeout, httpx.WriteTimeout) as error:
            raise Unreachable(f"{self.url} did not answer {method} {path} in time") from error
        except httpx.TransportError as error:
            raise Unreachable(
                f"nothing answers at {self.url} ({error}); start the service with `pushforward up`, or give its --url"
            ) from error


@contextmanager
def whole_file(file: Path) -> Iterator[BinaryIO]:
    """A file that appears when it was written whole, and not at all if that fails or nothing is written."""
    if file.exists() and not file.is_file():  # a pipe
        with file.open("wb") as stream:
            yield stream
        return
    unfinished = file.with_name(f"{file.name}.part")
    try:
        with unfinished.open("wb") as stream:
            yield stream
            written = stream.tell()
        if written:
            unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def _dumps(body: Any) -> bytes:
    """As JSON, arrays as lists. Raises Refused for what JSON cannot hold, before it is sent."""
    try:
        return json.dumps(body, default=_listed, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise Refused({"status": 400, "detail": f"the request cannot be written as JSON: {error}"}) from error


def _listed(value: Any) -> Any:
    """An array, or a number of NumPy, as JSON has them."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is not JSON")


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def _problem(response: httpx.Response) -> Mapping[str, Any]:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict):
        return problem
    return {"status": response.status_code, "detail": f"{response.status_code} {response.reason_phrase}"}
