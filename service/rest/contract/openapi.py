"""The OpenAPI description of the routes: request bodies, responses, problem documents.

Routes read bodies themselves (JSON or npy, validated once, by the command), so their schemas are added here.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pushforward.models.data.tables.media_types import MEDIA_TYPES as TABLE_TYPES
from pushforward.service.application.commands.asks import OfRows
from pushforward.service.application.commands.commands import (
    ASKS,
    Complete,
    Decode,
    Encode,
    Evaluate,
    Interpolate,
    Likelihood,
    Reconstruct,
    Score,
    TrainModel,
    Translate,
)
from pushforward.service.application.commands.uploads import OutlineDataset
from pushforward.service.formats import npy, png
from pushforward.service.formats.charts import svg
from pushforward.service.formats.signatures import ACCEPTED
from pushforward.service.http import problems
from pushforward.service.rest.contract import requests
from pushforward.service.rest.contract.examples import EXAMPLES
from pushforward.service.rest.contract.portable import portable
from pushforward.service.rest.contract.schemas import Problem

BINARY = "application/octet-stream"
REF = "#/components/schemas/{model}"
_BODIES: dict[type[BaseModel], str] = {  # the commands whose body may be npy, and what the array is
    Likelihood: "the rows `x`",
    Score: "the rows `x`",
    Encode: "the rows `x`",
    Decode: "the codes `z`",
    Reconstruct: "the rows `x`",
    Translate: "the rows `x`",
    Interpolate: "the two ends, `start` and `end`",
    Complete: "the patches `patches`",
}
_TRAIN = (requests.Train, requests.TrainPreset, requests.TrainFrom)


def answers(
    body: type[BaseModel] | None,
    status: int = 200,
    *,
    media: str | None = None,
    arrays: bool = False,
    pictures: bool = False,
) -> dict[int | str, dict[str, Any]]:
    """The response of a route, by status; `arrays`: also as npy, csv, parquet and Arrow; both: as PNG and SVG."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    text = media is not None and media.startswith("text/")
    content: dict[str, Any] = {media: {"schema": {"type": "string"}} if text else binary} if media else {}
    if arrays:
        content |= {npy.MEDIA_TYPE: binary, **dict.fromkeys(TABLE_TYPES, binary)}
    if arrays or pictures:
        content |= {png.MEDIA_TYPE: binary, svg.MEDIA_TYPE: {"schema": {"type": "string"}}}
    summary = "A stream of text." if text else "A file."
    answer: dict[str, Any] = {"description": (body.__doc__ or "").partition("\n")[0] if body else summary}
    if body is not None:
        answer["model"] = body
    if content:
        answer["content"] = content
    return {status: answer}


def documented(
    summary: str,
    given: dict[int | str, dict[str, Any]],
    *,
    tag: str,
    command: type[BaseModel] | None = None,
    request_body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The keyword arguments that document a route; `command` is the body of its requests, or `request_body`."""
    refusal = {"content": {problems.MEDIA_TYPE: {"schema": {"$ref": REF.format(model=Problem.__name__)}}}}
    body = _body(command) if command is not None else request_body
    extra: dict[str, Any] = {} if body is None else {"requestBody": body}
    return {
        "summary": summary,
        "tags": [tag],
        "responses": {
            **given,
            "4XX": {"description": "Refused.", **refusal},
            "5XX": {"description": "Failed.", **refusal},
        },
        "openapi_extra": extra,
        "response_model": None,
    }


def file_body() -> dict[str, Any]:
    """The body of an upload."""
    return {
        "required": True,
        "content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in ACCEPTED},
        "description": "The file: csv, Parquet, Arrow, npy, npz, zip or IDX. It begins as its `Content-Type` does.",
    }


def _body(command: type[BaseModel]) -> dict[str, Any]:
    """The body of a request."""
    kinds = _TRAIN if command is TrainModel else (command,)
    references = [{"$ref": REF.format(model=kind.__name__)} for kind in kinds]
    schema = {"oneOf": references} if len(kinds) > 1 else references[0]
    content: dict[str, Any] = {"application/json": {"schema": schema, "examples": EXAMPLES[command]}}
    body: dict[str, Any] = {"required": True, "content": content}
    if command in _BODIES:
        content[npy.MEDIA_TYPE] = {"schema": {"type": "string", "format": "binary"}}
        body["description"] = (
            f"JSON holds all fields. With npy the body is the array ({_BODIES[command]}), "
            "and the other fields are query parameters."
        )
    if command is Complete or issubclass(command, OfRows):
        content |= {media: {"schema": {"type": "string", "format": "binary"}} for media in TABLE_TYPES}
        body["description"] += " So are csv, parquet and Arrow, whose rows are those of a model's table."
    return body


def install(app: FastAPI) -> None:
    """Add the commands' schemas to the app's document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            document["components"]["schemas"] |= _schemas([Problem])
            asked = _schemas([*_TRAIN, Evaluate, OutlineDataset, *ASKS.values()])
            document["components"]["schemas"] = portable(document["components"]["schemas"]) | portable(
                asked, asked=True
            )
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _schemas(models: list[type[BaseModel]]) -> dict[str, Any]:
    """The schemas of models and of those within them, by name."""
    _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=REF)
    found: dict[str, Any] = schemas["$defs"]
    return found
