"""What a training child tells its supervisor: one JSON object a line on standard output."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from service.domain import Fault
from service.ports import Update

log = logging.getLogger(__name__)

DONE, INTERRUPTED, FAULTY = 0, 75, 1  # exit codes; any other is a crash


class Order(BaseModel):
    """What a training child is told, in a file: the run, and where to read and write."""

    model_config = ConfigDict(frozen=True)

    run: dict[str, Any]  # `models.run.Run` as JSON
    data_root: Path
    states: Path  # this attempt's checkpoints
    earlier: tuple[Path, ...]  # those of the attempts before, newest first
    model: Path  # the finished model goes here
    checkpoint_s: float
    device: str
    torch_threads: int


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
    losses: dict[str, float]
    steps_per_s: float

    @property
    def update(self) -> Update:
        """As the record takes it."""
        return Update("progress", self.model_dump(exclude={"kind"}))


class Noted(_Line):
    """Something a reader of the job's log wants to know."""

    kind: Literal["log"] = "log"
    level: str
    message: str

    @property
    def update(self) -> Update:
        """As the record takes it."""
        return Update("log", self.model_dump(exclude={"kind"}))


class Refused(_Line):
    """The laboratory refused; trying again is of no use."""

    kind: Literal["fault"] = "fault"
    fault: Fault


class Finished(_Line):
    """The model lies finished in its folder."""

    kind: Literal["done"] = "done"
    metrics: dict[str, float]


Line = Advanced | Noted | Refused | Finished
_LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])


def parse(line: bytes) -> Line | None:
    """None, and a warning, for a line that is none of ours."""
    try:
        return _LINE.validate_python(json.loads(line))
    except (ValueError, ValidationError):
        log.warning("a training child wrote %r", line[:200])
        return None
