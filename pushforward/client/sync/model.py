"""One version of a model, asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, final

from pushforward.client.answers import JSON, Job, LogProb, ModelCard, Preview, Samples, Scores, read
from pushforward.client.bodies import (
    CSV,
    NPY,
    PNG,
    SVG,
    Request,
    array,
    flags,
    floats,
    given,
    numbers,
    with_json,
    with_rows,
)
from pushforward.client.errors import BrokenAnswer, refusal
from pushforward.client.retries import new_key, new_seed
from pushforward.client.sse import EventLines
from pushforward.client.sync.connection import Connection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

Options: TypeAlias = Mapping[str, Any]
Records: TypeAlias = Sequence[Mapping[str, Any]]
Floats: TypeAlias = "NDArray[np.float32]"
ASYNC = {"Prefer": "respond-async"}


@final
class Model:
    """A version, pinned when it was looked up: `str(model)` is `name@version`.

    `condition` is a label or its name, a vector, {"text": ...} or columns; for each row a list. `options` are those of
    the family. Arrays are (n, *shape); a table's rows are records. All methods raise PushforwardError.
    """

    def __init__(self, connection: Connection, card: ModelCard) -> None:
        self._connection = connection
        self.card = card

    def __str__(self) -> str:
        return self.card.reference

    def __repr__(self) -> str:
        return f"<model {self.card.reference}, {self.card.family}, of {self._connection.url}>"

    def sample(
        self,
        n: int = 1,
        *,
        seed: int | None = None,
        condition: Any = None,
        options: Options | None = None,
        deadline_ms: float | None = None,
    ) -> Samples:
        """New rows. Without a seed one is drawn here, so that a second try gives the same rows."""
        body = self._body(n=n, condition=condition, options=options, deadline_ms=deadline_ms)
        body["seed"] = new_seed() if seed is None else seed
        if self._is_table:
            reply = self._connection.send(with_json("POST", "/sample", body))
            if reply.status_code == HTTPStatus.ACCEPTED:
                job = reply.json()["id"]
                self._connection.send(Request("POST", f"/jobs/{job}/cancel"))
                raise ValueError(f"{n} rows do not fit into one answer; write them with save_samples or sample_to_file")
            return _samples(reply.json())
        reply = self._connection.send(with_json("POST", "/sample", body, accept=NPY))
        return Samples(reply.headers["pushforward-model"], body["seed"], array(reply.content), None)

    def previews(
        self,
        n: int = 1,
        *,
        every: int = 1,
        seed: int | None = None,
        condition: Any = None,
        options: Options | None = None,
    ) -> Iterator[Preview | Samples]:
        """Rows on their way from noise to data every so many steps, and then the samples; at most 64 rows."""
        body = self._body(n=n, condition=condition, options=options, preview_every=every)
        body["seed"] = new_seed() if seed is None else seed
        request, lines = with_json("POST", "/sample", body, accept="text/event-stream"), EventLines()
        with self._connection.stream(request) as answer:
            for line in answer.iter_lines():
                event = lines.event(line)
                if event is None:
                    continue
                if event.kind == "problem":
                    raise refusal(int(event.data["status"]), event.data, None)
                if event.kind == "preview":
                    yield Preview(event.data["step"], event.data["steps"], *_rows(event.data))
                if event.kind == "samples":
                    yield _samples(event.data)
                    return
        raise BrokenAnswer("the previews broke off; ask again")

    def save_samples(
        self,
        path: Path,
        n: int,
        *,
        seed: int | None = None,
        condition: Any = None,
        options: Options | None = None,
        media_type: str | None = None,
    ) -> None:
        """Write rows to a file as they come: npy, of a table csv, or another media type. Raises OSError of `path`."""
        accept = media_type or (CSV if self._is_table else NPY)
        body = self._body(n=n, condition=condition, options=options)
        body["seed"] = new_seed() if seed is None else seed
        self._connection.save(with_json("POST", "/sample", body, accept=accept), path)

    def sample_to_file(
        self,
        n: int,
        *,
        seed: int | None = None,
        condition: Any = None,
        options: Options | None = None,
        media_type: str | None = None,
        priority: int | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Start a job that draws rows into a file, whatever their number; `jobs.download` fetches it."""
        body = self._body(n=n, seed=seed, condition=condition, options=options, priority=priority)
        headers = {**ASYNC, **given({"Accept": media_type}), "Idempotency-Key": idempotency_key or new_key()}
        return read(Job, self._connection.json(with_json("POST", "/sample", body, headers=headers)))

    def log_prob(
        self,
        x: ArrayLike | None = None,
        *,
        records: Records | None = None,
        seed: int = 0,
        condition: Any = None,
        options: Options | None = None,
    ) -> LogProb:
        """log p(x) of each row, in nats."""
        fields = self._body(seed=seed, condition=condition, options=options)
        answer = self._asked("/likelihood", x, records, fields)
        return LogProb(
            answer["model"],
            numbers(answer["log_prob"]),
            answer["kind"],
            answer["unit"],
            _numbers_or_none(answer["std_error"]),
            _numbers_or_none(answer["bits_per_dim"]),
            {name: numbers(values) for name, values in answer["terms"].items()},
        )

    def score(
        self,
        x: ArrayLike | None = None,
        *,
        records: Records | None = None,
        false_alarm_rate: float = 0.01,
        seed: int = 0,
        condition: Any = None,
    ) -> Scores:
        """Where log p(x) of rows stands among that of held-out rows: p-values, and flags of odd ones."""
        fields = self._body(seed=seed, condition=condition, false_alarm_rate=false_alarm_rate)
        answer = self._asked("/score", x, records, fields)
        lists = {name: numbers(answer[name]) for name in ("log_prob", "percentile", "p_value", "typicality_p_value")}
        threshold = None if answer["threshold"] is None else float(answer["threshold"])
        return read(Scores, {**answer, **lists, "flagged": flags(answer["flagged"]), "threshold": threshold})

    def encode(
        self,
        x: ArrayLike | None = None,
        *,
        records: Records | None = None,
        condition: Any = None,
        options: Options | None = None,
    ) -> Floats:
        """The latent code of each row."""
        fields = self._body(condition=condition, options=options)
        if records is not None:
            return floats((self._asked("/encode", x, records, fields))["z"])
        return self._rows("/encode", x, fields)

    def decode(self, z: ArrayLike, *, condition: Any = None, options: Options | None = None) -> Floats:
        """The data of each latent code."""
        return self._rows("/decode", z, self._body(condition=condition, options=options))

    def reconstruct(self, x: ArrayLike, *, condition: Any = None) -> Floats:
        """Encode and decode each row; of a model that translates, there and back."""
        return self._rows("/reconstruct", x, self._body(condition=condition))

    def translate(self, x: ArrayLike, to: Any, *, condition: Any = None, options: Options | None = None) -> Floats:
        """Each row in another domain: a label or a vector, or one for each row."""
        return self._rows("/translate", x, self._body(to=to, condition=condition, options=options))

    def interpolate(
        self,
        start: ArrayLike | None = None,
        end: ArrayLike | None = None,
        *,
        start_seed: int | None = None,
        end_seed: int | None = None,
        steps: int = 8,
        path: str | None = None,
        condition: Any = None,
    ) -> Floats:
        """From one row to another, or from the sample of one seed to that of another; (steps, *shape)."""
        ends = {"start": start, "end": end, "start_seed": start_seed, "end_seed": end_seed}
        body = self._body(**given(ends), steps=steps, path=path, condition=condition)
        reply = self._connection.send(with_json("POST", "/interpolate", body, accept=NPY))
        return array(reply.content)

    def complete(
        self,
        x: ArrayLike | None = None,
        *,
        mask: ArrayLike | None = None,
        patches: ArrayLike | None = None,
        records: Records | None = None,
        n: int = 1,
        seed: int = 0,
        condition: Any = None,
        options: Options | None = None,
    ) -> Floats | list[JSON]:
        """Whole rows of those of which a part is known: pixels by `mask`, patches, or cells of `records`."""
        rows = given({"x": x, "mask": mask, "patches": patches, "records": records})
        body = self._body(**rows, seed=seed, condition=condition, options=options)
        if records is not None:
            answer = self._connection.json(with_json("POST", "/complete", body | {"n": n}))
            made: list[JSON] = answer["records"]
            return made
        reply = self._connection.send(with_json("POST", "/complete", body, accept=NPY))
        return array(reply.content)

    def draw(self, op: str, *, svg: bool = False, **fields: Any) -> bytes:
        """The answer to any operation as a PNG or SVG, where it can be drawn: `draw("sample", n=64, seed=0)`."""
        body = self._body(**fields)
        return (self._connection.send(with_json("POST", f"/{op}", body, accept=SVG if svg else PNG))).content

    @property
    def _is_table(self) -> bool:
        return self.card.spec["table"] is not None

    def _body(self, **fields: Any) -> dict[str, Any]:
        return {"model": self.card.reference, **given(fields)}

    def _rows(self, path: str, rows: ArrayLike | None, fields: Mapping[str, Any]) -> Floats:
        if rows is None:
            raise ValueError("give rows: x, or records of a table")
        reply = self._connection.send(with_rows(path, rows, fields, accept=NPY))
        return array(reply.content)

    def _asked(
        self, path: str, x: ArrayLike | None, records: Records | None, fields: Mapping[str, Any]
    ) -> dict[str, Any]:
        if (x is None) == (records is None):
            raise ValueError("give rows: x, or records of a table")
        if records is not None:
            request = with_json("POST", path, {**fields, "records": list(records)})
        else:
            request = with_rows(path, x, fields, accept="application/json")  # type: ignore[arg-type]  # not None here
        answer: dict[str, Any] = self._connection.json(request)
        return answer


def _rows(answer: JSON) -> tuple[Floats | None, list[JSON] | None]:
    """`x` or `records` of an answer in JSON."""
    rows = answer.get("samples")
    return None if rows is None else floats(rows), answer.get("records")


def _samples(answer: JSON) -> Samples:
    return Samples(answer["model"], answer["seed"], *_rows(answer))


def _numbers_or_none(values: Any) -> NDArray[np.float64] | None:
    return None if values is None else numbers(values)
