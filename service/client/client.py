"""The client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, Self

import httpx

from pushforward.service.client.connection import ServiceConnection, accepted, dumps
from pushforward.service.client.downloads import write_file
from pushforward.service.client.errors import Torn, Unreachable
from pushforward.service.client.events import events_of
from pushforward.service.client.files import whole_file
from pushforward.service.client.uploads import put_file


class Client:
    """Speaks JSON over one connection pool; close it, or use it as a context manager."""

    def __init__(self, url: str, *, timeout_s: float = 60.0) -> None:
        self.url = url
        self._connection = ServiceConnection(url, timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._connection.http.close()

    def get(self, path: str, **query: str | int) -> Any:
        """The JSON at a path. Raises Refused, Unreachable."""
        return self._connection.request("GET", path, params=query).json()

    def delete(self, path: str) -> Any:
        """Raises Refused, Unreachable."""
        response = self._connection.request("DELETE", path)
        return response.json() if response.content else None

    def train(
        self,
        model: str,
        *,
        preset: str | None = None,
        start_from: str | None = None,
        run: Mapping[str, Any] | None = None,
        priority: int | None = None,
        sweep: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Start a training of a preset, a run, or a preset with the fields of `run` changed; returns the job.

        With `start_from` ("digits-vae@3", or "job:" and an id) it continues or fine-tunes what that training left.
        With `sweep` ({"fields": {"optimizer.lr": [0.01, 0.001]}}) it trains once for each of several values.
        """
        asked = {"preset": preset, "start_from": start_from, "run": run, "priority": priority, "sweep": sweep}
        body = {"model": model, **_given(asked)}
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        answer: dict[str, Any] = self._connection.post("/train", body, headers=headers).json()
        return answer

    def plan_training(
        self,
        model: str,
        *,
        preset: str | None = None,
        start_from: str | None = None,
        run: Mapping[str, Any] | None = None,
        sweep: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What `train` would do: the whole run, what its data are, notes. Nothing is started."""
        body = {"model": model, **_given({"preset": preset, "start_from": start_from, "run": run, "sweep": sweep})}
        answer: dict[str, Any] = self._connection.post("/train?dry_run=true", body).json()
        return answer

    def sample_to_file(
        self,
        model: str,
        *,
        n: int,
        seed: int | None = None,
        options: Mapping[str, Any] = {},
        condition: Any = None,
        media_type: str | None = None,
        priority: int | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Start a job that draws a sample into a file, whatever its size; returns the job.

        `media_type` of the file: npy, or of a table csv, Parquet or Arrow; left out: csv of a table.
        """
        chosen = {"seed": seed, "condition": condition, "priority": priority}
        body = {"model": model, "n": n, "options": dict(options), **_given(chosen)}
        named = _given({"Accept": media_type, "Idempotency-Key": idempotency_key or None})
        headers = {"Prefer": "respond-async", **named}
        answer: dict[str, Any] = self._connection.post("/sample", body, headers=headers).json()
        return answer

    def evaluate(
        self,
        model: str,
        *,
        against: Mapping[str, Any] | str | None = None,
        metrics: Sequence[str] | None = None,
        target: str | None = None,
        n: int | None = None,
        seed: int | None = None,
        priority: int | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Start a job that compares samples of a model with rows of data; returns the job."""
        asked = {"against": against, "metrics": metrics, "target": target, "n": n, "seed": seed}
        asked["priority"] = priority
        body = {"model": model, **_given(asked)}
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        answer: dict[str, Any] = self._connection.post("/evaluate", body, headers=headers).json()
        return answer

    def download(self, job_id: str, path: Path) -> None:
        """Write the file of a sampling, whole or not at all; resumes where a connection breaks off.

        Raises Refused, Unreachable, Torn, and OSError where `path` cannot be written.
        """
        job = self.get(f"/jobs/{job_id}")
        with whole_file(path) as stream:
            if write_file(self._connection, job, stream) != job["file_sha256"]:
                raise Torn(f"what came is not the file of job {job_id}: its sha256 differs; download it again")

    def put_dataset(self, name: str, file: Path, media_type: str, *, replaces: str | None = None) -> dict[str, Any]:
        """Upload a file under a name; returns its record. `replaces` is the sha256 of the present file of this name.

        Raises Refused, Unreachable, and OSError where the file cannot be read.
        """
        return put_file(self._connection, name, file, media_type, replaces)

    def outline_dataset(self, name: str, data: Mapping[str, Any] = {}) -> dict[str, Any]:
        """What a dataset would be as data of a run; `data` has fields of its source, such as `columns` of a table."""
        answer: dict[str, Any] = self._connection.post(f"/datasets/{name}/outline", {"data": dict(data)}).json()
        return answer

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Request the end of a job; returns it."""
        answer: dict[str, Any] = self._connection.post(f"/jobs/{job_id}/cancel").json()
        return answer

    def pause(self, job_id: str) -> dict[str, Any]:
        """Have a job wait until `resume`; returns it. Raises Refused where it is over."""
        answer: dict[str, Any] = self._connection.post(f"/jobs/{job_id}/pause").json()
        return answer

    def resume(self, job_id: str) -> dict[str, Any]:
        """Have a paused job go on where it was; returns it. Raises Refused where it is over."""
        answer: dict[str, Any] = self._connection.post(f"/jobs/{job_id}/resume").json()
        return answer

    def losses(self, job_id: str, *, points: int | None = None) -> dict[str, Any]:
        """The losses of a training as curves of at most `points` points. Raises Refused, Unreachable."""
        curves: dict[str, Any] = self.get(f"/jobs/{job_id}/losses", **_given({"points": points}))
        return curves

    def picture_of_losses(self, job_id: str) -> bytes:
        """The curves as a PNG. Raises Refused, Unreachable."""
        return self._connection.request("GET", f"/jobs/{job_id}/losses.png").content

    def watch(self, job_id: str, *, after: str = "0") -> Iterator[tuple[str, dict[str, Any]]]:
        """(kind, data) of a job's events as they come, to its end; resumes where a connection breaks off.

        Raises Refused, and Unreachable where the service stays away.
        """
        return events_of(self._connection, job_id, after)

    def ask(self, op: str, body: Mapping[str, Any], *, accept: str = "application/json") -> httpx.Response:
        """The answer to `POST /{op}`; its media type is `accept`."""
        return self._connection.post(f"/{op}", body, headers={"Accept": accept})

    def ask_of_file(
        self, op: str, content: bytes, media_type: str, fields: Mapping[str, Any], *, accept: str = "application/json"
    ) -> httpx.Response:
        """The answer to `POST /{op}` of the rows of a table in a file: csv, parquet or an Arrow stream."""
        query = {name: value if name == "model" else dumps(value).decode() for name, value in fields.items()}
        headers = {"Content-Type": media_type, "Accept": accept}
        return self._connection.request("POST", f"/{op}", params=query, content=content, headers=headers)

    def score(
        self,
        model: str,
        x: Any = None,
        *,
        records: Sequence[Mapping[str, Any]] | None = None,
        false_alarm_rate: float | None = None,
        seed: int | None = None,
        condition: Any = None,
    ) -> dict[str, Any]:
        """Where log p(x) of rows, or of records of a table, stands among that of held-out rows: p-values and flags."""
        rows = _given({"x": x, "records": records})
        chosen = _given({"false_alarm_rate": false_alarm_rate, "seed": seed, "condition": condition})
        answer: dict[str, Any] = self.ask("score", {"model": model, **rows, **chosen}).json()
        return answer

    def save(self, op: str, body: Mapping[str, Any], file: Path, *, accept: str) -> dict[str, Any] | None:
        """Write the answer to `POST /{op}` to a file as it comes; an answer that breaks off leaves no file.

        Returns the job where one was started instead of an answer: then there is no file.
        Raises Refused, Unreachable, and OSError where the file cannot be written.
        """
        with whole_file(file) as stream:
            return self.write(op, body, stream, accept=accept)

    def write(self, op: str, body: Mapping[str, Any], stream: BinaryIO, *, accept: str) -> dict[str, Any] | None:
        """Write the answer to `POST /{op}` to an open file as it comes; otherwise as `save`."""
        headers = {"Content-Type": "application/json", "Accept": accept}
        content = dumps(body)
        with (
            self._connection.reaching("POST", f"/{op}"),
            self._connection.http.stream("POST", f"/{op}", content=content, headers=headers) as answer,
        ):
            if accepted(answer).status_code == HTTPStatus.ACCEPTED:
                answer.read()
                job: dict[str, Any] = answer.json()
                return job
            try:
                stream.writelines(answer.iter_bytes())
            except httpx.RemoteProtocolError as error:
                raise Unreachable(f"the answer of {self.url} broke off; its log tells why") from error
        return None


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}
