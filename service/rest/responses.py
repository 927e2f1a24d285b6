"""Results as responses: JSON, npy, PNG, SVG.

A number that is not finite (log p(x) is -inf where the density is zero) is "-Infinity", "Infinity" or "NaN" in JSON,
as in protobuf's JSON mapping: JSON has no such numbers, and Python's `float`, JavaScript's `Number` and pandas'
`to_numeric` read these strings. In npy it is itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, final

import numpy as np
import orjson
from fastapi import Response
from starlette.types import Receive, Scope, Send

from pushforward.models.config.json_float import to_json
from pushforward.models.data.tables.media_types import MEDIA_TYPES as TABLE_TYPES
from pushforward.service.application.likelihoods import OfLikelihoods
from pushforward.service.application.results import (
    InferenceResult,
    PointsResult,
    PreviewResult,
    SampleResult,
)
from pushforward.service.application.trainings.outlines import TrainingPlan
from pushforward.service.domain.jobs import Job
from pushforward.service.domain.record import Record
from pushforward.service.formats import npy, png, table_files
from pushforward.service.formats.charts import raster, svg
from pushforward.service.formats.charts.layout import scene
from pushforward.service.formats.charts.marks import Chart
from pushforward.service.formats.charts.sheets import of_rows
from pushforward.service.rest.media_types import JSON

LARGE_VALUES = 100_000  # a result of more is written in a thread
PICTURES = (png.MEDIA_TYPE, svg.MEDIA_TYPE)

Drawn = TypeVar("Drawn", bound=Record)


@final
class WholeResponse(Response):
    """A response that is there as a whole; starlette's own looks at every header and at a background task."""

    def __init__(self, body: bytes, media_type: str, headers: Mapping[str, str]) -> None:
        self.status_code = 200
        self.body = body
        self.media_type = media_type
        self.background = None
        self.raw_headers = [
            *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()),
            (b"content-length", b"%d" % len(body)),
            (b"content-type", media_type.encode("latin-1")),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Records and plain values as JSON."""
    body = orjson.dumps(value, default=lambda record: record.model_dump(mode="json"))
    return Response(body, status, headers, JSON)


def job_started(job: Job) -> Response:
    """202, with the job."""
    return json_response(job, 202, {"Location": f"/jobs/{job.id}"})


def trained(told: Job | TrainingPlan) -> Response:
    """202, with the job; or 200, with what it would do."""
    return job_started(told) if isinstance(told, Job) else json_response(told)


async def render(result: InferenceResult, media_type: str) -> Response:
    """A result in a media type. Raises NotAcceptable."""
    writers: dict[str, Callable[[InferenceResult], bytes]] = {
        JSON: lambda result: _dumps(result.fields),
        npy.MEDIA_TYPE: lambda result: npy.dumps(result.array),
        png.MEDIA_TYPE: _png,
        svg.MEDIA_TYPE: _svg,
    }
    if media_type in TABLE_TYPES:
        writers[media_type] = lambda result: _table(result, media_type)
    write = writers[media_type]
    large = result.array.size > LARGE_VALUES or media_type in PICTURES
    body = await asyncio.to_thread(write, result) if large else write(result)
    return WholeResponse(body, media_type, _headers(result))


async def charted(record: Drawn, chart_of: Callable[[Drawn], Chart], media_type: str) -> Response:
    """A record as JSON, or as a chart in one of `PICTURES`."""
    if media_type == JSON:
        return json_response(record)
    write = raster.png if media_type == png.MEDIA_TYPE else svg.svg
    body = await asyncio.to_thread(lambda: write(scene(chart_of(record))))
    return WholeResponse(body, media_type, {})


def _png(result: InferenceResult) -> bytes:
    """Raises NotAcceptable."""
    chart = result.chart
    return png.png(result.array, result.picture_spec) if chart is None else raster.png(scene(chart))


def _svg(result: InferenceResult) -> bytes:
    """Raises NotAcceptable."""
    chart = result.chart
    return svg.svg(of_rows(result.model, result.array, result.picture_spec) if chart is None else scene(chart))


def _table(result: InferenceResult, media_type: str) -> bytes:
    """The rows of a table as a file. Raises NotAcceptable."""
    return table_files.dumps(media_type, *table_files.of_table(result.in_file, media_type))


async def json(result: SampleResult | PreviewResult) -> bytes:
    """The fields of a result as JSON."""
    large = result.samples.size > LARGE_VALUES
    return await asyncio.to_thread(_dumps, result.fields) if large else _dumps(result.fields)


def origin(result: SampleResult | PreviewResult) -> dict[str, str]:
    """The headers that name the model and the seed of samples."""
    return {"Pushforward-Model": result.model, "Pushforward-Seed": str(result.seed)}


def _headers(result: InferenceResult) -> dict[str, str]:
    """The fields that an array or a picture does not have."""
    timing = result.timing
    headers = {
        "Pushforward-Model": result.model,
        "Server-Timing": (
            f"linger;dur={timing.linger_ms:.3f}, queue;dur={timing.queue_ms:.3f}, "
            f"compute;dur={timing.compute_ms:.3f}, total;dur={timing.total_ms:.3f}"
        ),
    }
    if isinstance(result, SampleResult):
        headers |= origin(result)
    if isinstance(result, OfLikelihoods):
        headers["Pushforward-Kind"] = result.kind
    if isinstance(result, SampleResult | PointsResult) and result.completion is not None:
        headers["Pushforward-Kind"] = result.completion.kind
    return headers


def _dumps(fields: dict[str, Any]) -> bytes:
    return orjson.dumps(_contiguous(fields), option=orjson.OPT_SERIALIZE_NUMPY, default=str)


def _contiguous(value: Any) -> Any:
    """The same, with arrays and numbers as orjson takes them."""
    if isinstance(value, dict):
        return {name: _contiguous(each) for name, each in value.items()}
    if isinstance(value, float):
        return to_json(value)
    if not isinstance(value, np.ndarray):
        return value
    return np.ascontiguousarray(value) if np.isfinite(value).all() else _with_texts(value)


def _with_texts(array: np.ndarray) -> list[Any]:
    """Nested lists of numbers, with strings for those that are not finite."""
    values = array.astype(object)
    for place in np.argwhere(~np.isfinite(array)):
        values[tuple(place)] = to_json(float(array[tuple(place)]))
    listed: list[Any] = values.tolist()
    return listed
