"""Routes of the catalog: models, families, presets; health and metrics."""

from __future__ import annotations

import asyncio
from typing import cast

from fastapi import APIRouter, Request, Response

from pushforward.service.domain.catalog import EvaluatedCard
from pushforward.service.domain.charts import ScoreHistogram
from pushforward.service.formats.charts.figures import of_histogram
from pushforward.service.http.headers import headers_of
from pushforward.service.rest.contract import schemas
from pushforward.service.rest.contract.openapi import answers, documented
from pushforward.service.rest.media_types import CHART_OFFERS, choose
from pushforward.service.rest.responses import charted, json_response
from pushforward.service.rest.routes.parameters import App, OfModel, Reference
from pushforward.service.rest.strict import StrictRoute
from pushforward.service.telemetry.gateway import Telemetry
from pushforward.service.telemetry.registry import CONTENT_TYPE

router = APIRouter(route_class=StrictRoute)


@router.get(
    "/models", operation_id="list_models", **documented("List models", answers(schemas.ModelsBody), tag="models")
)
async def models(app: App, model: OfModel = None) -> Response:
    """The newest version of every model; with `model`, all versions of that one."""
    return json_response({"models": await app.catalog.models(model=model)})


@router.get(
    "/models/{reference}",
    operation_id="get_model",
    **documented("Get a model's card and its evaluation", answers(EvaluatedCard), tag="models"),
)
async def model(app: App, reference: Reference) -> Response:
    """A model's card, with the report of its latest evaluation: `name` is its newest version, `name@3` the third."""
    return json_response(await app.catalog.evaluated(reference))


@router.get(
    "/models/{reference}/histogram",
    operation_id="get_histogram",
    **documented(
        "Get the histogram of log p(x) of a model's held-out rows", answers(ScoreHistogram, pictures=True), tag="models"
    ),
)
async def histogram(request: Request, app: App, reference: Reference) -> Response:
    """How log p(x) of the held-out rows that `POST /score` compares with is distributed."""
    media_type = choose(headers_of(request.scope).accept, CHART_OFFERS)
    return await charted(await app.inference.histogram(reference), of_histogram, media_type)


@router.delete(
    "/models/{reference}",
    operation_id="delete_model",
    **documented("Delete a model or a version of it", answers(schemas.DeletedBody), tag="models"),
)
async def delete_model(app: App, reference: Reference) -> Response:
    """Delete a version (`name@3`), or all of a name."""
    return json_response({"deleted": await app.catalog.delete(reference)})


@router.get(
    "/families",
    operation_id="list_families",
    **documented("List the families that can be trained", answers(schemas.FamiliesBody), tag="catalog"),
)
async def families(app: App) -> Response:
    """The families of models that can be trained, with their capabilities, fields and options."""
    return json_response({"families": app.catalog.families()})


@router.get(
    "/presets",
    operation_id="list_presets",
    **documented("List the presets", answers(schemas.PresetsBody), tag="catalog"),
)
async def presets(app: App) -> Response:
    """Named runs, ready to train."""
    return json_response({"presets": app.catalog.presets()})


@router.get(
    "/livez",
    operation_id="livez",
    **documented("Whether this process answers", answers(schemas.AliveBody), tag="health"),
)
async def livez() -> Response:
    """Whether this process answers."""
    return json_response({"status": "alive"})


@router.get(
    "/readyz",
    operation_id="readyz",
    **documented("Whether a worker can be reached", answers(schemas.ReadyBody), tag="health"),
)
async def readyz(app: App) -> Response:
    """Whether a request would reach a worker, and its reply come back; 503 says what is missing."""
    return json_response({"status": "ready", "workers": await app.catalog.ready()})


@router.get(
    "/metrics",
    operation_id="metrics",
    **documented("Metrics for Prometheus", answers(None, media="text/plain"), tag="health"),
)
async def metrics(request: Request) -> Response:
    """Counts and histograms, as Prometheus reads them."""
    metrics = cast(Telemetry, request.app.state.telemetry).metrics
    return Response(await asyncio.to_thread(metrics.exposition), media_type=CONTENT_TYPE)
