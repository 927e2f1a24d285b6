"""Messages to commands and back."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from math import prod
from typing import Any

import numpy as np
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from pushforward.models.config.numbers_only import EXACT
from pushforward.models.storage.card import Curve
from pushforward.service.application.commands.commands import (
    Decode,
    Encode,
    Interpolate,
    Likelihood,
    Reconstruct,
    Sample,
    Train,
)
from pushforward.service.application.commands.validation import MAX_SETTINGS, parse
from pushforward.service.application.results import Codes, FamilyCard, Likelihoods, Points, PresetCard, Preview, Samples
from pushforward.service.domain.catalog import Card
from pushforward.service.domain.errors import Invalid
from pushforward.service.domain.inference import Timing
from pushforward.service.domain.jobs import Event, Job, Sampling
from pushforward.service.rpc.pb import pushforward_pb2 as pb

DTYPES = {"float32": "<f4", "float64": "<f8", "uint8": "u1", "int32": "<i4", "int64": "<i8"}

MAX_AXES = 64  # of an array, numpy's own limit
VALUE_BYTES = 2  # of a value on the wire, at least

# --- requests ---


def train(request: pb.TrainRequest) -> Train:
    """Raises Invalid."""
    fields: dict[str, Any] = {"model": request.model}
    if request.HasField("preset"):
        fields["preset"] = request.preset
    if request.HasField("run"):
        fields["run"] = from_struct(request.run, "run")
    if request.HasField("seed") and fields.keys() & {"preset", "run"}:
        fields["run"] = fields.get("run", {}) | {"seed": request.seed}
    return parse(Train, fields)


def state(value: int) -> str | None:
    """A job state by which to list; None for any. Raises Invalid."""
    if value == pb.JOB_STATE_UNSPECIFIED:
        return None
    if value not in pb.JobState.values():
        raise Invalid.field("state", "is not a JobState")
    return pb.JobState.Name(value).removeprefix("JOB_STATE_").lower()  # type: ignore[arg-type]


def sample(request: pb.SampleRequest) -> Sample:
    """Raises Invalid."""
    return parse(Sample, {"n": request.n} | _ask(request) | _seeds(request, "seed", "preview_every"))


def file_start(request: pb.DownloadFileRequest, n_bytes: int) -> int:
    """Where a download begins. Raises Invalid."""
    if not 0 <= request.start <= n_bytes:
        raise Invalid.field("start", f"must lie in [0, {n_bytes}], the bytes of the file")
    return request.start


def likelihood(request: pb.LikelihoodRequest) -> Likelihood:
    """Raises Invalid."""
    return parse(Likelihood, {"seed": request.seed} | _ask(request) | _tensors(request, "x"))


def encode(request: pb.EncodeRequest) -> Encode:
    """Raises Invalid."""
    return parse(Encode, _ask(request) | _tensors(request, "x"))


def decode(request: pb.DecodeRequest) -> Decode:
    """Raises Invalid."""
    return parse(Decode, _ask(request) | _tensors(request, "z"))


def reconstruct(request: pb.ReconstructRequest) -> Reconstruct:
    """Raises Invalid."""
    return parse(Reconstruct, _ask(request) | _tensors(request, "x"))


def interpolate(request: pb.InterpolateRequest) -> Interpolate:
    """Raises Invalid."""
    fields = _ask(request) | _tensors(request, "start", "end") | _seeds(request, "start_seed", "end_seed", "steps")
    return parse(Interpolate, fields | ({"path": request.path} if request.path else {}))


def array(tensor: pb.Tensor, field: str) -> np.ndarray:
    """A tensor's numbers, not copied. Raises Invalid."""
    if tensor.dtype not in DTYPES:
        raise Invalid.field(f"{field}.dtype", f"is {tensor.dtype!r}; send one of {', '.join(DTYPES)}")
    if len(tensor.shape) > MAX_AXES:
        raise Invalid.field(f"{field}.shape", f"cannot be: it has {len(tensor.shape)} axes, of {MAX_AXES} at most")
    dtype, shape = np.dtype(DTYPES[tensor.dtype]), tuple(tensor.shape)
    if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != len(tensor.data):
        raise Invalid.field(
            f"{field}.data", f"holds {len(tensor.data)} bytes, which is not what shape {list(shape)} promises"
        )
    try:
        return np.frombuffer(tensor.data, dtype).reshape(shape)
    except ValueError as error:  # no bytes are promised, or few, but more axes or longer ones than there can be
        raise Invalid.field(f"{field}.shape", f"is not possible: {error}") from error


def from_struct(struct: Struct, field: str = "") -> dict[str, Any]:
    """A Struct as JSON would have been read: its numbers are doubles, and whole ones become integers where exact.

    `field` holds it. Raises Invalid where it has more values than any request needs.
    """
    if struct.ByteSize() > VALUE_BYTES * MAX_SETTINGS:
        _check_size(struct, field)
    return _from_struct(struct)


def _check_size(struct: Struct, field: str) -> None:
    left = MAX_SETTINGS
    waiting: list[Struct | ListValue] = [struct]
    while waiting and left >= 0:
        held = waiting.pop()
        values = list(held.fields.values() if isinstance(held, Struct) else islice(held.values, left + 1))
        left -= len(values)
        for value in values if left >= 0 else ():
            match value.WhichOneof("kind"):
                case "struct_value":
                    waiting.append(value.struct_value)
                case "list_value":
                    waiting.append(value.list_value)
    if left < 0:
        raise Invalid.field(field, f"the request holds more than {MAX_SETTINGS} values outside of its arrays")


def _from_struct(struct: Struct) -> dict[str, Any]:
    return {name: _from_value(value) for name, value in struct.fields.items()}


def _from_value(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return _from_struct(value.struct_value)
        case "list_value":
            return [_from_value(item) for item in value.list_value.values]
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) < EXACT else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def _ask(request: Any) -> dict[str, Any]:
    """What every ask has, or may have."""
    return {"model": request.model, "options": from_struct(request.options, "options")} | _tensors(request, "condition")


def _seeds(request: Any, *fields: str) -> dict[str, int]:
    """Optional numbers that were sent."""
    return {field: getattr(request, field) for field in fields if request.HasField(field)}


def _tensors(request: Any, *fields: str) -> dict[str, np.ndarray]:
    """Tensors that were sent."""
    return {field: array(getattr(request, field), field) for field in fields if request.HasField(field)}


# --- answers ---


def tensor(x: np.ndarray) -> pb.Tensor:
    """An array, row-major and little-endian."""
    name = "float64" if x.dtype == np.float64 else "float32"
    return pb.Tensor(dtype=name, shape=x.shape, data=np.ascontiguousarray(x, DTYPES[name]).tobytes())


def timing(timing: Timing) -> pb.Timing:
    """Milliseconds, and rows."""
    return pb.Timing(
        linger_ms=timing.linger_ms,
        queue_ms=timing.queue_ms,
        compute_ms=timing.compute_ms,
        total_ms=timing.total_ms,
        batch_rows=timing.batch_rows,
    )


def samples(answer: Samples) -> pb.SampleResponse:
    """New data."""
    return pb.SampleResponse(
        model=answer.model, seed=answer.seed, samples=tensor(answer.samples), timing=timing(answer.timing)
    )


def part(answer: Samples | Preview) -> pb.SampleResponse:
    """The next of a stream of samples."""
    return preview(answer) if isinstance(answer, Preview) else samples(answer)


def preview(answer: Preview) -> pb.SampleResponse:
    """Rows on their way."""
    rows = tensor(answer.samples)
    return pb.SampleResponse(model=answer.model, seed=answer.seed, samples=rows, step=answer.step, steps=answer.steps)


def likelihoods(answer: Likelihoods) -> pb.LikelihoodResponse:
    """Nats, and what kind of number they are."""
    return pb.LikelihoodResponse(
        model=answer.model,
        log_prob=answer.log_prob,
        kind=answer.kind,
        likelihood_kind=pb.LikelihoodKind.Value(f"LIKELIHOOD_KIND_{answer.kind.upper()}"),
        unit=answer.unit,
        std_error=[] if answer.std_error is None else answer.std_error,
        bits_per_dim=[] if answer.bits_per_dim is None else answer.bits_per_dim,
        terms={name: pb.Doubles(values=values) for name, values in answer.terms.items()},
        timing=timing(answer.timing),
    )


def codes(answer: Codes) -> pb.EncodeResponse:
    """Latent codes."""
    return pb.EncodeResponse(model=answer.model, z=tensor(answer.z), timing=timing(answer.timing))


def decoded(answer: Points) -> pb.DecodeResponse:
    """The data of codes."""
    return pb.DecodeResponse(model=answer.model, x=tensor(answer.x), timing=timing(answer.timing))


def reconstructed(answer: Points) -> pb.ReconstructResponse:
    """Data encoded and decoded."""
    return pb.ReconstructResponse(model=answer.model, x=tensor(answer.x), timing=timing(answer.timing))


def interpolated(answer: Points) -> pb.InterpolateResponse:
    """The rows from one end to the other."""
    return pb.InterpolateResponse(model=answer.model, x=tensor(answer.x), timing=timing(answer.timing))


def sampling(ask: Sampling) -> pb.Sampling:
    """What a job draws."""
    condition = None if ask.condition is None else tensor(np.asarray(ask.condition, np.float64))
    return pb.Sampling(model=ask.model, n=ask.n, seed=ask.seed, options=to_struct(ask.options), condition=condition)


def job(record: Job) -> pb.Job:
    """A job; what is not known is zero, empty or absent."""
    return pb.Job(
        id=record.id,
        state=pb.JobState.Value(f"JOB_STATE_{record.state.name}"),
        model=record.model,
        version=record.version or 0,
        preset=record.preset or "",
        run=to_struct(record.run),
        kind=record.kind,
        job_kind=pb.JobKind.Value(f"JOB_KIND_{record.kind.upper()}"),
        ask=None if record.ask is None else sampling(record.ask),
        file_bytes=record.file_bytes or 0,
        file_sha256=record.file_sha256 or "",
        progress=pb.Progress(step=record.progress.step, total_steps=record.progress.total_steps),
        losses=record.losses,
        curve=None if record.curve is None else curve(record.curve),
        metrics=record.metrics,
        error=None if record.error is None else pb.Fault(type=record.error.type, detail=record.error.detail),
        queue_position=record.queue_position or 0,
        ahead=record.ahead,
        waiting_for=record.waiting_for or "",
        retry_at=record.retry_at,
        cancel_requested=record.cancel_requested,
        created_at=record.created_at,
        started_at=record.started_at,
        finished_at=record.finished_at,
        create_time=timestamp(record.created_at),
        start_time=timestamp(record.started_at),
        end_time=timestamp(record.finished_at),
    )


def curve(curve: Curve) -> pb.Curve:
    """A held-out loss; `best_step` is 0 where no weights are the best."""
    return pb.Curve(
        name=curve.name, rows=curve.rows, steps=curve.steps, values=curve.values, best_step=curve.best_step or 0
    )


def timestamp(seconds: float | None) -> Timestamp | None:
    """Seconds since 1970, to the microsecond; None where there are none."""
    if seconds is None:
        return None
    stamp = Timestamp()
    stamp.FromMicroseconds(round(seconds * 1e6))
    return stamp


def event(event: Event) -> pb.JobEvent:
    """An event of a job."""
    known = pb.EventKind.DESCRIPTOR.values_by_name.get(f"EVENT_KIND_{event.kind.upper()}")
    kind = pb.EVENT_KIND_UNSPECIFIED if known is None else pb.EventKind.Value(known.name)
    return pb.JobEvent(id=event.id, kind=event.kind, event_kind=kind, data=to_struct(event.data))


def model(card: Card) -> pb.Model:
    """A card, its main fields typed."""
    return pb.Model(
        model=card.model,
        version=card.version,
        family=card.family,
        capabilities=card.capabilities,
        shape=card.spec.shape,
        latent_shape=card.latent_shape or (),
        metrics=card.metrics,
        curve=None if card.curve is None else curve(card.curve),
        notes=card.notes,
        card=to_struct(card.model_dump(mode="json")),
    )


def family(card: FamilyCard) -> pb.Family:
    """What can be trained."""
    return pb.Family(
        family=card.family,
        summary=card.summary,
        capabilities=card.capabilities,
        schema=to_struct(card.schema),
        options=to_struct(card.options),
        takes_condition=card.takes_condition,
    )


def preset(card: PresetCard) -> pb.Preset:
    """A run with a name."""
    return pb.Preset(name=card.name, summary=card.summary, run=to_struct(card.run))


def to_struct(fields: Mapping[str, Any]) -> Struct:
    """JSON as a Struct."""
    struct = Struct()
    struct.update(fields)
    return struct
