"""From request messages to commands. All raise Invalid."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import numpy as np

from pushforward.models.data.tables.media_types import ARROW_STREAM, MEDIA_TYPES
from pushforward.service.application.commands.commands import (
    Complete,
    Decode,
    Encode,
    Evaluate,
    Interpolate,
    Likelihood,
    Reconstruct,
    Sample,
    Score,
    TrainModel,
    Translate,
)
from pushforward.service.application.commands.uploads import PutDataset
from pushforward.service.application.commands.validation import parse
from pushforward.service.domain.errors import Invalid, Malformed
from pushforward.service.formats.tables import TableRows
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.structs import from_struct
from pushforward.service.rpc.tensors import array


def train(request: pb.TrainRequest) -> TrainModel:
    """Raises Invalid."""
    fields: dict[str, Any] = {"model": request.model, "priority": request.priority}
    if request.HasField("preset"):
        fields["preset"] = request.preset
    if request.HasField("start_from"):
        fields["start_from"] = request.start_from
    if request.HasField("run"):
        fields["run"] = from_struct(request.run, "run")
    if request.HasField("sweep"):
        fields["sweep"] = from_struct(request.sweep, "sweep")
    if request.HasField("seed") and fields.keys() & {"preset", "start_from", "run"}:
        fields["run"] = fields.get("run", {}) | {"seed": request.seed}
    return parse(TrainModel, fields)


def evaluate(request: pb.EvaluateRequest) -> Evaluate:
    """Raises Invalid."""
    fields: dict[str, Any] = {"model": request.model, "priority": request.priority}
    fields |= _optional(request, "n", "seed", "target")
    if request.HasField("against"):
        fields["against"] = from_struct(request.against, "against")
    if request.metrics:
        fields["metrics"] = list(request.metrics)
    return parse(Evaluate, fields)


def state(value: int) -> str | None:
    """The state of the jobs to list; None for any. Raises Invalid."""
    if value == pb.JOB_STATE_UNSPECIFIED:
        return None
    if value not in pb.JobState.values():
        raise Invalid.field("state", "is not a JobState")
    return pb.JobState.Name(value).removeprefix("JOB_STATE_").lower()  # type: ignore[arg-type]


def sample(request: pb.SampleRequest) -> Sample:
    """Raises Invalid."""
    fields = {"n": request.n, "priority": request.priority} | _ask(request)
    return parse(Sample, fields | _optional(request, "seed", "preview_every"))


def file_start(request: pb.DownloadFileRequest | pb.DownloadDatasetRequest, n_bytes: int) -> int:
    """The byte at which a download starts. Raises Invalid."""
    if not 0 <= request.start <= n_bytes:
        raise Invalid.field("start", f"must lie in [0, {n_bytes}], the bytes of the file")
    return request.start


async def upload(messages: AsyncGenerator[pb.PutDatasetRequest]) -> PutDataset:
    """The command in the first message of an upload. Raises Malformed, Invalid."""
    first = await anext(messages, None)
    if first is None or not first.HasField("header"):
        raise Malformed("the upload has no header; send one as its first message")
    header = first.header
    fields: dict[str, Any] = {"name": header.name, "media_type": header.media_type}
    return parse(PutDataset, fields | _optional(header, "bytes", "sha256", "if_match"))


async def data_of(messages: AsyncGenerator[pb.PutDatasetRequest]) -> AsyncGenerator[bytes]:
    """The bytes of an upload, after its header. Raises Malformed."""
    async for message in messages:
        if message.HasField("header"):
            raise Malformed("the upload has two headers; send one, as its first message")
        yield message.data


def likelihood(request: pb.LikelihoodRequest) -> Likelihood:
    """Raises Invalid."""
    fields = {"seed": request.seed} | _ask(request) | _tensors(request, "x") | _records(request)
    return parse(Likelihood, fields | _optional(request, "grid") | _rectangle(request))


def score(request: pb.ScoreRequest) -> Score:
    """Raises Invalid."""
    fields = {"model": request.model, "seed": request.seed} | _tensors(request, "x", "condition")
    return parse(Score, fields | _records(request) | _optional(request, "false_alarm_rate"))


def encode(request: pb.EncodeRequest) -> Encode:
    """Raises Invalid."""
    return parse(Encode, _ask(request) | _tensors(request, "x") | _records(request))


def decode(request: pb.DecodeRequest) -> Decode:
    """Raises Invalid."""
    return parse(Decode, _ask(request) | _tensors(request, "z"))


def reconstruct(request: pb.ReconstructRequest) -> Reconstruct:
    """Raises Invalid."""
    return parse(Reconstruct, _ask(request) | _tensors(request, "x"))


def translate(request: pb.TranslateRequest) -> Translate:
    """Raises Invalid."""
    return parse(Translate, _ask(request) | _tensors(request, "x", "to"))


def interpolate(request: pb.InterpolateRequest) -> Interpolate:
    """Raises Invalid."""
    fields = _ask(request) | _tensors(request, "start", "end") | _optional(request, "start_seed", "end_seed", "steps")
    return parse(Interpolate, fields | ({"path": request.path} if request.path else {}))


def complete(request: pb.CompleteRequest) -> Complete:
    """Raises Invalid."""
    fields = {"seed": request.seed} | _ask(request) | _tensors(request, "patches", "x", "mask") | _records(request)
    given = {"given": list(request.given)} if request.given else {}
    return parse(Complete, fields | given | _optional(request, "n"))


def _ask(request: Any) -> dict[str, Any]:
    """The fields of every request to a model."""
    return {"model": request.model, "options": from_struct(request.options, "options")} | _tensors(request, "condition")


def _records(request: Any) -> dict[str, TableRows]:
    """Rows of a table that were sent. Raises Invalid."""
    if not request.HasField("records"):
        return {}
    media_type = request.records.media_type or ARROW_STREAM
    if media_type not in MEDIA_TYPES:
        known = ", ".join(MEDIA_TYPES)
        raise Invalid.field("records.media_type", f"is {media_type[:100]!r}; send one of {known}")
    return {"records": TableRows(media_type, request.records.content)}


def _rectangle(request: pb.LikelihoodRequest) -> dict[str, Any]:
    """The ends of both axes that were sent, in twos."""
    ends = [*request.within]
    return {"within": [ends[i : i + 2] for i in range(0, len(ends), 2)]} if ends else {}


def _optional(request: Any, *fields: str) -> dict[str, Any]:
    """Optional fields that were sent."""
    return {field: getattr(request, field) for field in fields if request.HasField(field)}


def _tensors(request: Any, *fields: str) -> dict[str, np.ndarray]:
    """Tensors that were sent."""
    return {field: array(getattr(request, field), field) for field in fields if request.HasField(field)}
