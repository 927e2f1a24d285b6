"""The routes: one line of work each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, cast

import orjson
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from pushforward.service.application.application import Application
from pushforward.service.application.commands.commands import ASKS, Sample, Train
from pushforward.service.domain.catalog import Card
from pushforward.service.domain.errors import names, naming
from pushforward.service.domain.jobs import Job
from pushforward.service.formats import npy
from pushforward.service.http.bodies import CLIENT_CLOSED_REQUEST
from pushforward.service.http.headers import joined
from pushforward.service.rest import downloads as files
from pushforward.service.rest import media, streams
from pushforward.service.rest import sse as events
from pushforward.service.rest.contract import schemas
from pushforward.service.rest.contract.openapi import answers, documented
from pushforward.service.rest.disconnects import until_disconnected
from pushforward.service.rest.strict import Strict
from pushforward.service.telemetry.gateway import Telemetry
from pushforward.service.telemetry.registry import CONTENT_TYPE

router = APIRouter(route_class=Strict)

_BODIES: dict[str, type[BaseModel]] = {
    "sample": schemas.SamplesBody,
    "likelihood": schemas.LikelihoodsBody,
    "encode": schemas.CodesBody,
    "decode": schemas.PointsBody,
    "reconstruct": schemas.PointsBody,
    "interpolate": schemas.PointsBody,
}


_SUMMARIES: dict[str, str] = {
    "sample": "Draw new rows",
    "likelihood": "Score rows: log p(x)",
    "encode": "Encode rows to latent codes",
    "decode": "Decode latent codes to rows",
    "reconstruct": "Encode rows and decode their codes",
    "interpolate": "Interpolate between two rows or two samples",
}


async def _application(request: Request) -> Application:  # async: FastAPI sends other dependencies through a thread
    return cast(Application, request.app.state.application)


App = Annotated[Application, Depends(_application)]
JobId = Annotated[str, Path(description="Identifier of the job.")]
Reference = Annotated[str, Path(description="`name` is the newest version, `name@3` is version 3.")]
Key = Annotated[str | None, Header(max_length=1024, description="The same key starts one job.")]
LastEvent = Annotated[str | None, Header(description="Id of the last event that was seen; the events after it follow.")]
InState = Annotated[str | None, Query(description="Only jobs in this state.")]
OfModel = Annotated[str | None, Query(description="Only of this model, by name.")]
Limit = Annotated[int, Query(description="Jobs of a page, 1000 at most.")]
After = Annotated[str | None, Query(description="`next` of the page before.")]


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = orjson.dumps(value, default=lambda record: record.model_dump(mode="json"))
    return Response(body, status, headers, media.JSON)


def _started(job: Job) -> Response:
    return _json(job, 202, {"Location": f"/jobs/{job.id}"})


# --- jobs ---


@router.post(
    "/train",
    status_code=202,
    operation_id="train",
    **documented("Start a training", answers(Job, 202), tag="jobs", command=Train),
)
async def train(request: Request, app: App, idempotency_key: Key = None) -> Response:
    """Start training. The same `Idempotency-Key` gives the same job."""
    command = await media.read(request, Train, app.intake)
    with naming(names(idempotency_key="Idempotency-Key")):
        return _started(await app.train(command, idempotency_key=idempotency_key))


@router.get(
    "/jobs", operation_id="list_jobs", **documented("List jobs, newest first", answers(schemas.JobsBody), tag="jobs")
)
async def jobs(
    app: App, state: InState = None, model: OfModel = None, limit: Limit = 100, after: After = None
) -> Response:
    """Jobs, newest first; `next`, unless it is null, is the `after` of the next page."""
    return _json((await app.list_jobs(state=state, model=model, limit=limit, after=after))._asdict())


@router.get(
    "/jobs/{job_id}", operation_id="get_job", **documented("Get a job and its progress", answers(Job), tag="jobs")
)
async def job(app: App, job_id: JobId) -> Response:
    """A job and how far it has come."""
    return _json(await app.job(job_id))


@router.post("/jobs/{job_id}/cancel", operation_id="cancel_job", **documented("Cancel a job", answers(Job), tag="jobs"))
async def cancel(app: App, job_id: JobId) -> Response:
    """Ask for a job's end; asking twice is the same as asking once."""
    return _json(await app.cancel(job_id))


@router.get(
    "/jobs/{job_id}/events",
    operation_id="watch_job",
    **documented("Follow a job's events", answers(None, media=events.MEDIA_TYPE), tag="jobs"),
)
async def job_events(request: Request, app: App, job_id: JobId, last_event_id: LastEvent = None) -> Response:
    """A job's events as they come (Server-Sent Events); `Last-Event-ID` resumes; past the last, 204."""
    with naming(names(after="Last-Event-ID")):
        return events.response(await app.watch(job_id, after=last_event_id or "0"), request.app.state.closing)


@router.get(
    "/jobs/{job_id}/file",
    operation_id="download_job_file",
    **documented("Download the file of a sampling", answers(None, media=npy.MEDIA_TYPE), tag="jobs"),
)
async def job_file(request: Request, app: App, job_id: JobId) -> Response:
    """The file that a sampling left, npy; `Range` gives a part of it."""
    return files.download(request, await app.file(job_id))


# --- asks ---


def _asking(command: type[Any]) -> Callable[[Request], Awaitable[Response]]:
    async def ask(request: Request) -> Response:  # no `App`: to resolve a dependency costs as much as to parse the body
        app = await _application(request)
        media_type = media.choose(joined(request.scope, b"accept"))
        answer = await until_disconnected(request.receive, app.ask(await media.read(request, command, app.intake)))
        return _nobody() if answer is None else await media.render(answer, media_type)

    ask.__doc__ = command.__doc__
    return ask


async def _sample(request: Request) -> Response:
    app = await _application(request)
    media_type = media.choose(joined(request.scope, b"accept"), media.SAMPLE_OFFERS)
    ask = await media.read(request, Sample, app.intake)
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
            _SUMMARIES[_op],
            answers(_BODIES[_op], media=events.MEDIA_TYPE if _command is Sample else None, arrays=True)
            | (answers(Job, 202) if _command is Sample else {}),
            tag="asks",
            command=_command,
        ),
    )


asks = {route.path: route for route in router.routes if isinstance(route, APIRoute) and route.name in ASKS}


# --- models ---


@router.get(
    "/models", operation_id="list_models", **documented("List models", answers(schemas.ModelsBody), tag="models")
)
async def models(app: App, model: OfModel = None) -> Response:
    """The newest version of every model; with `model`, all versions of that one."""
    return _json({"models": await app.list_models(model=model)})


@router.get(
    "/models/{reference}", operation_id="get_model", **documented("Get a model's card", answers(Card), tag="models")
)
async def model(app: App, reference: Reference) -> Response:
    """A model's card: `name` is its newest version, `name@3` the third."""
    return _json(await app.model(reference))


@router.delete(
    "/models/{reference}",
    operation_id="delete_model",
    **documented("Delete a model or a version of it", answers(schemas.DeletedBody), tag="models"),
)
async def delete_model(app: App, reference: Reference) -> Response:
    """Delete a version (`name@3`), or all of a name."""
    return _json({"deleted": await app.delete_model(reference)})


# --- what there is ---


@router.get(
    "/families",
    operation_id="list_families",
    **documented("List the families that can be trained", answers(schemas.FamiliesBody), tag="catalog"),
)
async def families(app: App) -> Response:
    """What can be trained, and what each can be asked."""
    return _json({"families": app.families()})


@router.get(
    "/presets",
    operation_id="list_presets",
    **documented("List the presets", answers(schemas.PresetsBody), tag="catalog"),
)
async def presets(app: App) -> Response:
    """Runs with names, ready to train."""
    return _json({"presets": app.presets()})


@router.get(
    "/livez",
    operation_id="livez",
    **documented("Whether this process answers", answers(schemas.AliveBody), tag="health"),
)
async def livez() -> Response:
    """Whether this process answers."""
    return _json({"status": "alive"})


@router.get(
    "/readyz",
    operation_id="readyz",
    **documented("Whether a worker can be reached", answers(schemas.ReadyBody), tag="health"),
)
async def readyz(app: App) -> Response:
    """Whether a question would get through to a worker, and its answer back; 503 tells what is missing."""
    return _json({"status": "ready", "workers": await app.ready()})


@router.get(
    "/metrics",
    operation_id="metrics",
    **documented("Metrics for Prometheus", answers(None, media="text/plain"), tag="health"),
)
async def metrics(request: Request) -> Response:
    """Counts and histograms, as Prometheus reads them."""
    metrics = cast(Telemetry, request.app.state.telemetry).metrics
    return Response(await asyncio.to_thread(metrics.exposition), media_type=CONTENT_TYPE)
