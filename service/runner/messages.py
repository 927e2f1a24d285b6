"""The order for a job's child, in a file, and the messages of the child: one JSON object a line on standard output."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pushforward.models.config.json_float import JsonFloat
from pushforward.models.storage.card import Curve
from pushforward.service.domain.forecasts import Forecast
from pushforward.service.domain.jobs import Fault, ModelEvaluation, Sampling
from pushforward.service.domain.ports import Update
from pushforward.service.formats.png import MEDIA_TYPE

log = logging.getLogger(__name__)

DONE, INTERRUPTED, FAULTY, HINDERED = 0, 75, 1, 74  # exit codes; any other is a crash
PACE_S = (0.2, 5.0)  # between two progress messages: early, and late in a long job


def pace_s(elapsed_s: float) -> float:
    """How long to wait before the next progress message."""
    return min(max(PACE_S[0], elapsed_s / 500), PACE_S[1])


class _JobOrder(BaseModel):
    model_config = ConfigDict(frozen=True)

    device: str
    torch_threads: int
    memory_bytes: int | None  # that the child may use; None: what is free
    scratch: Path | None = None  # of data that are too large for memory, for all attempts at the job


class TrainOrder(_JobOrder):
    """Train a run."""

    kind: Literal["train"] = "train"
    run: dict[str, Any]  # `models.run.Run` as JSON
    data_root: Path
    states: Path  # this attempt's checkpoints
    earlier: tuple[Path, ...]  # those of the attempts before, newest first
    model: Path  # the finished model goes here
    checkpoint_s: float
    start_model: Path | None = None  # the folder of the version that the run starts from
    start_states: tuple[Path, ...] = ()  # the checkpoints of the job that it starts from, newest first


class SampleOrder(_JobOrder):
    """Draw a sample into a file."""

    kind: Literal["sample"] = "sample"
    ask: Sampling
    model: Path  # the folder of the version
    file: Path  # this attempt's
    earlier: tuple[Path, ...]  # what the attempts before may have left
    rows: int  # of theirs that are on the disk for sure


class EvaluateOrder(_JobOrder):
    """Compare a model's samples with rows of data."""

    kind: Literal["evaluate"] = "evaluate"
    job: str
    evaluation: ModelEvaluation
    model: Path  # the folder of the version
    data_root: Path
    report: Path  # the finished report goes into this folder, and a new classifier


class ForecastOrder(_JobOrder):
    """Foresee what a training takes. No job: a request is answered with it."""

    kind: Literal["forecast"] = "forecast"
    run: dict[str, Any]  # `models.run.Run` as JSON
    data_root: Path
    scratch: Path  # of data that are too large for memory


JobOrder = TrainOrder | SampleOrder | EvaluateOrder | ForecastOrder
ORDER: TypeAdapter[JobOrder] = TypeAdapter(Annotated[JobOrder, Field(discriminator="kind")])


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)

    def to_line(self) -> str:
        """One line of JSON."""
        return self.model_dump_json() + "\n"


class GradientNorms(BaseModel):
    """Quantiles of the norms of a loss's gradient, before they were clipped, and the share that was."""

    model_config = ConfigDict(frozen=True)

    min: float
    q25: float
    median: float
    q75: float
    max: float
    clipped: float


class ProgressMessage(_Message):
    """Steps were done."""

    kind: Literal["progress"] = "progress"
    step: int
    total_steps: int
    losses: dict[str, JsonFloat]
    steps_per_s: float
    rows_per_s: float | None = None  # of a training
    memory_bytes: int | None = None  # of the child: resident, or the peak on its device
    gradient_norms: dict[str, GradientNorms] = {}  # of each loss, over the steps since the message before
    seconds_left: float | None = None  # to the last step; None where it is unknown
    fraction: float | None = None  # of this training, whose steps begin where those of the one before end
    curve: Curve | None = None  # up to now; None where it has no new point

    @property
    def update(self) -> Update:
        """The update of the job's record."""
        return Update("progress", self.model_dump(mode="json", exclude={"kind"}))


class MetricsMeasured(_Message):
    """An evaluation has come farther."""

    kind: Literal["measured"] = "measured"
    step: int  # metrics measured
    total_steps: int
    fraction: float  # of the whole, the drawing of samples among it
    what: str  # that it does now
    measured: tuple[str, ...]  # names
    seconds_left: float | None = None  # at the mean pace so far; None where it is unknown

    @property
    def update(self) -> Update:
        """The update of the job's record."""
        return Update("progress", {**self.model_dump(exclude={"kind"}, mode="json"), "losses": {}, "steps_per_s": 0.0})


class PictureMessage(_Message):
    """What the model looks like by now."""

    kind: Literal["picture"] = "picture"
    step: int
    what: Literal["samples", "reconstructions", "density"]
    media_type: str = MEDIA_TYPE
    png: str  # base64
    width: int  # pixels
    height: int

    @property
    def update(self) -> Update:
        """The update of the job's record."""
        return Update("picture", self.model_dump(mode="json", exclude={"kind"}))


class LogMessage(_Message):
    """A line of the job's log."""

    kind: Literal["log"] = "log"
    level: str
    message: str

    @property
    def update(self) -> Update:
        """The update of the job's record."""
        return Update("log", self.model_dump(exclude={"kind"}))


class RefusalMessage(_Message):
    """The run or the data is at fault; to try again would not help."""

    kind: Literal["fault"] = "fault"
    fault: Fault
    field: str = ""  # at fault, where it is known; the detail begins with it


class BlockedMessage(_Message):
    """The machine lacks something; the job can be tried again later."""

    kind: Literal["barred"] = "barred"
    reason: str


class ModelWritten(_Message):
    """The model is complete in its folder."""

    kind: Literal["done"] = "done"
    metrics: dict[str, JsonFloat]


class RowsWritten(_Message):
    """The file of rows is complete."""

    kind: Literal["drawn"] = "drawn"
    file_bytes: int
    file_sha256: str


class ReportWritten(_Message):
    """The report of an evaluation is complete."""

    kind: Literal["evaluated"] = "evaluated"
    metrics: dict[str, JsonFloat]


class Foreseen(_Message):
    """The forecast is complete."""

    kind: Literal["foreseen"] = "foreseen"
    forecast: Forecast


Result = ModelWritten | RowsWritten | ReportWritten  # of a child that is done with a job
Message = (
    ProgressMessage
    | PictureMessage
    | MetricsMeasured
    | LogMessage
    | RefusalMessage
    | BlockedMessage
    | Foreseen
    | Result
)
Send = Callable[[Message], None]
_MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def parse(line: bytes) -> Message | None:
    """A message; None, and a warning in the log, for any other line."""
    try:
        return _MESSAGE.validate_python(json.loads(line))
    except (ValueError, ValidationError):
        log.warning("a job's child wrote %r", line[:200])
        return None
