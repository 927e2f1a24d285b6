"""What OpenAPI says of the routes: the bodies they read, the answers and problems they give.

Routes read bodies themselves (JSON or npy, validated once, by the command), so FastAPI must be told of them.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service import npy
from service.commands import ASKS, Decode, Encode, Interpolate, Likelihood, Reconstruct, Train
from service.gateway import pictures, problems
from service.gateway.examples import EXAMPLES
from service.gateway.portable import portable
from service.gateway.schemas import Problem

REF = "#/components/schemas/{model}"
_BODY = "With npy the body is the array (of an interpolation the two ends), and the other fields are query parameters."
_WITH_ARRAYS = (Likelihood, Encode, Decode, Reconstruct, Interpolate)


def answers(
    body: type[BaseModel] | None, status: int = 200, *, media: str | None = None, arrays: bool = False
) -> dict[int | str, dict[str, Any]]:
    """The answer of a route, by status; `arrays`: also as npy and PNG."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    text = media is not None and media.startswith("text/")
    content: dict[str, Any] = {media: {"schema": {"type": "string"}} if text else binary} if media else {}
    if arrays:
        content |= {npy.MEDIA_TYPE: binary, pictures.MEDIA_TYPE: binary}
    summary = "A stream of text." if text else "A file."
    answer: dict[str, Any] = {"description": (body.__doc__ or "").partition("\n")[0] if body else summary}
    if body is not None:
        answer["model"] = body
    if content:
        answer["content"] = content
    return {status: answer}


def documented(command: type[BaseModel] | None, given: dict[int | str, dict[str, Any]], *, tag: str) -> dict[str, Any]:
    """The keyword arguments that document a route."""
    refusal = {"content": {problems.MEDIA_TYPE: {"schema": {"$ref": REF.format(model=Problem.__name__)}}}}
    extra: dict[str, Any] = {}
    if command is not None:
        schema = {"$ref": REF.format(model=command.__name__)}
        content: dict[str, Any] = {"application/json": {"schema": schema, "examples": EXAMPLES[command]}}
        if command in _WITH_ARRAYS:
            content[npy.MEDIA_TYPE] = {"schema": {"type": "string", "format": "binary"}}
        extra = {"requestBody": {"required": True, "content": content, "description": _BODY}}
    return {
        "tags": [tag],
        "responses": {
            **given,
            "4XX": {"description": "Refused.", **refusal},
            "5XX": {"description": "Failed.", **refusal},
        },
        "openapi_extra": extra,
        "response_model": None,
    }


def install(app: FastAPI) -> None:
    """Add the commands' schemas to the app's document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            commands: list[type[BaseModel]] = [Train, *ASKS.values(), Problem]
            _, schemas = models_json_schema([(command, "validation") for command in commands], ref_template=REF)
            document["components"]["schemas"] = portable(document["components"]["schemas"] | schemas["$defs"])
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
