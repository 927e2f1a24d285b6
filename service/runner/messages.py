"""What a job's child is told, in a file, and what it tells: one JSON object a line on standard output."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pushforward.models.config.json_float import JsonFloat
from pushforward.models.storage.card import Curve
from pushforward.service.domain.jobs import Fault, Sampling
from pushforward.service.domain.ports import Update

log = logging.getLogger(__name__)

DONE, INTERRUPTED, FAULTY, HINDERED = 0, 75, 1, 74  # exit codes; any other is a crash
PACE_S = (0.2, 5.0)  # between two progress lines: early, and late in a long job


def pace_s(elapsed_s: float) -> float:
    """How long to wait with the next progress line."""
    return min(max(PACE_S[0], elapsed_s / 500), PACE_S[1])


class _Order(BaseModel):
    model_config = ConfigDict(frozen=True)

    device: str
    torch_threads: int
    memory_bytes: int | None  # that it may take; None: what is free


class TrainOrder(_Order):
    """Train a run."""

    kind: Literal["train"] = "train"
    run: dict[str, Any]  # `models.run.Run` as JSON
    data_root: Path
    states: Path  # this attempt's checkpoints
    earlier: tuple[Path, ...]  # those of the attempts before, newest first
    model: Path  # the finished model goes here
    checkpoint_s: float


class SampleOrder(_Order):
    """Draw a sample into a file."""

    kind: Literal["sample"] = "sample"
    ask: Sampling
    model: Path  # the folder of the version
    file: Path  # this attempt's
    earlier: tuple[Path, ...]  # what the attempts before may have left
    rows: int  # of theirs that are on the disk for sure


Order = TrainOrder | SampleOrder
ORDER: TypeAdapter[Order] = TypeAdapter(Annotated[Order, Field(discriminator="kind")])


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True)

    def json_line(self) -> str:
        """One line of JSON."""
        return self.model_dump_json() + "\n"


class Advanced(_Line):
    """Steps were taken."""

    kind: Literal["progress"] = "progress"
    step: int
    total_steps: int
    losses: dict[str, JsonFloat]
    steps_per_s: float
    seconds_left: float | None = None  # to the last step, at the mean pace so far; None while nothing is known of it
    curve: Curve | None = None  # as far as it has come; None where it has no new point

    @property
    def update(self) -> Update:
        """As the record takes it."""
        return Update("progress", self.model_dump(mode="json", exclude={"kind"}))


class Noted(_Line):
    """Something a reader of the job's log wants to know."""

    kind: Literal["log"] = "log"
    level: str
    message: str

    @property
    def update(self) -> Update:
        """As the record takes it."""
        return Update("log", self.model_dump(exclude={"kind"}))


class AttemptRefused(_Line):
    """The laboratory refused; trying again is of no use."""

    kind: Literal["fault"] = "fault"
    fault: Fault


class Barred(_Line):
    """The machine lacks something; the job is to be tried again later."""

    kind: Literal["barred"] = "barred"
    reason: str


class Finished(_Line):
    """The model lies finished in its folder."""

    kind: Literal["done"] = "done"
    metrics: dict[str, JsonFloat]


class RowsWritten(_Line):
    """The file lies finished in its place."""

    kind: Literal["drawn"] = "drawn"
    file_bytes: int
    file_sha256: str


Line = Advanced | Noted | AttemptRefused | Barred | Finished | RowsWritten
Say = Callable[[Line], None]
_LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])


def parse(line: bytes) -> Line | None:
    """None, and a warning, for a line that is none of ours."""
    try:
        return _LINE.validate_python(json.loads(line))
    except (ValueError, ValidationError):
        log.warning("a job's child wrote %r", line[:200])
        return None
