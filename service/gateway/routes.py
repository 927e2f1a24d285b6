"""The routes: one line of work each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, cast

import orjson
from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel

from service import npy
from service.application import Application
from service.commands import ASKS, Sample, Train
from service.domain import Card, Job
from service.gateway import events, files, media, schemas, streams
from service.gateway.disconnects import until_disconnected
from service.gateway.openapi import answers, documented
from service.metrics import CONTENT_TYPE
from service.telemetry import Telemetry

CLIENT_CLOSED_REQUEST = 499  # nobody reads it; nginx's number, for the metrics

router = APIRouter()

_BODIES: dict[str, type[BaseModel]] = {
    "sample": schemas.SamplesBody,
    "likelihood": schemas.LikelihoodsBody,
    "encode": schemas.CodesBody,
    "decode": schemas.PointsBody,
    "reconstruct": schemas.PointsBody,
    "interpolate": schemas.PointsBody,
}


async def _application(request: Request) -> Application:  # async: FastAPI sends other dependencies through a thread
    return cast(Application, request.app.state.application)


App = Annotated[Application, Depends(_application)]


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = orjson.dumps(value, default=lambda record: record.model_dump(mode="json"))
    return Response(body, status, headers, media.JSON)


def _started(job: Job) -> Response:
    return _json(job, 202, {"Location": f"/jobs/{job.id}"})


# --- jobs ---


@router.post("/train", status_code=202, operation_id="train", **documented(Train, answers(Job, 202), tag="jobs"))
async def train(
    request: Request, app: App, idempotency_key: Annotated[str | None, Header(max_length=1024)] = None
) -> Response:
    """Start training. The same `Idempotency-Key` gives the same job."""
    job = await app.train(await media.read(request, Train), idempotency_key=idempotency_key)
    return _started(job)


@router.get("/jobs", operation_id="list_jobs", **documented(None, answers(schemas.JobsBody), tag="jobs"))
async def jobs(app: App, state: str | None = None, model: str | None = None, limit: int = 100) -> Response:
    """Jobs, newest first."""
    return _json({"jobs": await app.list_jobs(state=state, model=model, limit=limit)})


@router.get("/jobs/{job_id}", operation_id="get_job", **documented(None, answers(Job), tag="jobs"))
async def job(app: App, job_id: str) -> Response:
    """A job and how far it has come."""
    return _json(await app.job(job_id))


@router.post("/jobs/{job_id}/cancel", operation_id="cancel_job", **documented(None, answers(Job), tag="jobs"))
async def cancel(app: App, job_id: str) -> Response:
    """Ask for a job's end; asking twice is the same as asking once."""
    return _json(await app.cancel(job_id))


@router.get(
    "/jobs/{job_id}/events",
    operation_id="watch_job",
    **documented(None, answers(None, media=events.MEDIA_TYPE), tag="jobs"),
)
async def job_events(
    request: Request, app: App, job_id: str, last_event_id: Annotated[str | None, Header()] = None
) -> Response:
    """A job's events as they come (Server-Sent Events); `Last-Event-ID` resumes."""
    watched = await app.watch(job_id, after=last_event_id or "0")
    body = events.stream(watched, request.app.state.closing)
    return StreamingResponse(body, media_type=events.MEDIA_TYPE, headers={"Cache-Control": "no-store"})


@router.get(
    "/jobs/{job_id}/file",
    operation_id="download_job_file",
    **documented(None, answers(None, media=npy.MEDIA_TYPE), tag="jobs"),
)
async def job_file(request: Request, app: App, job_id: str) -> Response:
    """The file that a sampling left, npy; `Range` gives a part of it."""
    return files.download(request, await app.file(job_id))


# --- asks ---


def _asking(command: type[Any]) -> Callable[[Request], Awaitable[Response]]:
    async def ask(request: Request) -> Response:  # no `App`: to resolve a dependency costs as much as to parse the body
        app = await _application(request)
        media_type = media.choose(request.headers.get("accept"))
        answer = await until_disconnected(request.receive, app.ask(await media.read(request, command)))
        return _nobody() if answer is None else await media.render(answer, media_type)

    ask.__doc__ = command.__doc__
    return ask


async def _sample(request: Request) -> Response:
    app = await _application(request)
    media_type = media.choose(request.headers.get("accept"), media.SAMPLE_OFFERS)
    ask = await media.read(request, Sample)
    job = await files.start(request, app, ask)
    if job is not None:
        return _started(job)
    answering = streams.answer(app, ask, media_type)
    return await until_disconnected(request.receive, answering) or _nobody()


def _nobody() -> Response:
    """What is written where the client has left."""
    return Response(status_code=CLIENT_CLOSED_REQUEST)


_sample.__doc__ = Sample.__doc__
for _op, _command in ASKS.items():
    router.add_api_route(
        f"/{_op}",
        _sample if _command is Sample else _asking(_command),
        methods=["POST"],
        name=_op,
        operation_id=_op,
        **documented(
            _command,
            answers(_BODIES[_op], media=events.MEDIA_TYPE if _command is Sample else None, arrays=True)
            | (answers(Job, 202) if _command is Sample else {}),
            tag="asks",
        ),
    )


asks = {route.path: route for route in router.routes if isinstance(route, APIRoute) and route.name in ASKS}


# --- models ---


@router.get("/models", operation_id="list_models", **documented(None, answers(schemas.ModelsBody), tag="models"))
async def models(app: App, model: str | None = None) -> Response:
    """The newest version of every model; with `model`, all versions of that one."""
    return _json({"models": await app.list_models(model=model)})


@router.get("/models/{reference}", operation_id="get_model", **documented(None, answers(Card), tag="models"))
async def model(app: App, reference: str) -> Response:
    """A model's card: `name` is its newest version, `name@3` the third."""
    return _json(await app.model(reference))


@router.delete(
    "/models/{reference}", operation_id="delete_model", **documented(None, answers(schemas.DeletedBody), tag="models")
)
async def delete_model(app: App, reference: str) -> Response:
    """Delete a version (`name@3`), or all of a name."""
    return _json({"deleted": await app.delete_model(reference)})


# --- what there is ---


@router.get("/families", operation_id="list_families", **documented(None, answers(schemas.FamiliesBody), tag="catalog"))
async def families(app: App) -> Response:
    """What can be trained, and what each can be asked."""
    return _json({"families": app.families()})


@router.get("/presets", operation_id="list_presets", **documented(None, answers(schemas.PresetsBody), tag="catalog"))
async def presets(app: App) -> Response:
    """Runs with names, ready to train."""
    return _json({"presets": app.presets()})


@router.get("/livez", operation_id="livez", **documented(None, answers(schemas.AliveBody), tag="health"))
async def livez() -> Response:
    """Whether this process answers."""
    return _json({"status": "alive"})


@router.get("/readyz", operation_id="readyz", **documented(None, answers(schemas.ReadyBody), tag="health"))
async def readyz(app: App) -> Response:
    """Whether a model could be served: Redis answers and a worker lives."""
    return _json({"status": "ready", "workers": await app.ready()})


@router.get("/metrics", operation_id="metrics", **documented(None, answers(None, media="text/plain"), tag="health"))
async def metrics(request: Request) -> Response:
    """Counts and histograms, as Prometheus reads them."""
    metrics = cast(Telemetry, request.app.state.telemetry).metrics
    return Response(await asyncio.to_thread(metrics.exposition), media_type=CONTENT_TYPE)
