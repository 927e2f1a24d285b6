"""TensorBoard: a folder for each job, `{folder}/{model}/{job}`, with a file of events for each attempt.

A resumed attempt begins with a session at its first step: TensorBoard drops what older files have from there on, so
that no step has two points.
"""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.summary import hparams, text

from pushforward.service.domain.jobs import Job, State
from pushforward.service.domain.ports import Update
from pushforward.service.trackers.tracker import Tracker, parameters, points, scalars

RGB = 3  # of TensorBoard's color spaces


@dataclass
class _Attempt:
    """A file of events, and what was written of it."""

    file: Any  # EventsWriter
    is_first: bool
    step: int | None = None  # of the latest progress
    point: int = 0  # step of the latest point of the curve


@final
class TensorBoardFiles(Tracker):
    """Files of events."""

    name = "TensorBoard"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._attempts: dict[str, _Attempt] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def begin(self, job: Job) -> None:
        folder = self._folder / job.model / job.id
        folder.mkdir(parents=True, exist_ok=True)
        self._close(job.id)
        file = EventsWriter(str(folder / "events"), f".{job.epoch}")  # attempts may begin within one second
        self._attempts[job.id] = _Attempt(file, is_first=job.epoch == 1)
        for summary in hparams(parameters(job.run), {})[:2]:  # not the third: its session would be over
            self._write(job.id, 0, summary=summary)

    def record(self, job_id: str, update: Update) -> None:
        match update.kind:
            case "progress":
                self._progress(job_id, update.data)
            case "picture":
                self._picture(job_id, update.data)

    def end(self, job_id: str, state: State | None, metrics: Mapping[str, float]) -> None:
        step = self._attempts[job_id].step or 0
        values = {f"metrics/{name}": value for name, value in metrics.items()}
        self._write(job_id, step, summary=_summary(values))
        if state is not None:
            self._write(job_id, step, summary=text("state", state.value))
        self._close(job_id)

    def flush(self) -> None:
        for attempt in self._attempts.values():
            attempt.file.flush()

    def _progress(self, job_id: str, progress: Mapping[str, Any]) -> None:
        attempt, step = self._attempts[job_id], progress["step"]
        if attempt.step is None and not attempt.is_first:
            self._write(job_id, step, session_log=SessionLog(status=SessionLog.START))
            attempt.point = step - 1
        attempt.step = step
        self._write(job_id, step, summary=_summary(scalars(progress)))
        for name, at, value in points(progress, attempt.point):
            self._write(job_id, at, summary=_summary({name: value}))
            attempt.point = at

    def _picture(self, job_id: str, picture: Mapping[str, Any]) -> None:
        image = Summary.Image(
            height=picture["height"],
            width=picture["width"],
            colorspace=RGB,
            encoded_image_string=b64decode(picture["png"]),
        )
        value = Summary.Value(tag=picture["what"], image=image)
        self._write(job_id, picture["step"], summary=Summary(value=[value]))

    def _write(self, job_id: str, step: int, **what: Any) -> None:
        self._attempts[job_id].file.write_event(Event(wall_time=time.time(), step=step, **what))

    def _close(self, job_id: str) -> None:
        if (attempt := self._attempts.pop(job_id, None)) is not None:
            attempt.file.close()


def _summary(values: Mapping[str, float]) -> Any:
    return Summary(value=[Summary.Value(tag=name, simple_value=float(value)) for name, value in values.items()])
