"""Routes of jobs: start a training or an evaluation; list, get, cancel, pause and follow jobs; download a file."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from pushforward.service.application.charts.losses import DEFAULT_POINTS
from pushforward.service.application.commands.commands import Evaluate, TrainModel
from pushforward.service.application.trainings.outlines import TrainingPlan
from pushforward.service.domain.charts import LossCurves
from pushforward.service.domain.errors import names, naming
from pushforward.service.domain.jobs import Job
from pushforward.service.formats import npy, png
from pushforward.service.formats.charts import svg
from pushforward.service.formats.charts.figures import of_losses
from pushforward.service.http.headers import headers_of
from pushforward.service.rest import sse
from pushforward.service.rest.contract import schemas
from pushforward.service.rest.contract.openapi import answers, documented
from pushforward.service.rest.downloads import download
from pushforward.service.rest.media_types import CHART_OFFERS, choose
from pushforward.service.rest.request_bodies import read
from pushforward.service.rest.responses import charted, job_started, json_response, trained
from pushforward.service.rest.routes.parameters import (
    After,
    App,
    DryRun,
    InState,
    JobId,
    Key,
    LastEvent,
    Limit,
    OfModel,
    Points,
)
from pushforward.service.rest.strict import StrictRoute

router = APIRouter(route_class=StrictRoute)


@router.post(
    "/train",
    status_code=202,
    operation_id="train",
    **documented("Start a training", answers(Job, 202) | answers(TrainingPlan), tag="jobs", command=TrainModel),
)
async def train(request: Request, app: App, dry_run: DryRun = False, idempotency_key: Key = None) -> Response:
    """Start a training or a search of many, or tell what it would do. The same `Idempotency-Key` gives the same job."""
    command = await read(request, TrainModel, app.intake, beside=frozenset({"dry_run"}))
    with naming(names(idempotency_key="Idempotency-Key")):
        return trained(await app.jobs.train_or_plan(command, dry_run=dry_run, idempotency_key=idempotency_key))


@router.post(
    "/evaluate",
    status_code=202,
    operation_id="evaluate",
    **documented("Evaluate a model", answers(Job, 202), tag="jobs", command=Evaluate),
)
async def evaluate(request: Request, app: App, idempotency_key: Key = None) -> Response:
    """Start comparing a model's samples with rows of data; the report is on its card. The same key, the same job."""
    command = await read(request, Evaluate, app.intake)
    with naming(names(idempotency_key="Idempotency-Key")):
        return job_started(await app.jobs.evaluate(command, idempotency_key=idempotency_key))


@router.get(
    "/jobs", operation_id="list_jobs", **documented("List jobs, newest first", answers(schemas.JobsBody), tag="jobs")
)
async def jobs(
    app: App, state: InState = None, model: OfModel = None, limit: Limit = 100, after: After = None
) -> Response:
    """Jobs, newest first; `next`, unless it is null, is the `after` of the next page. Searches are without trials."""
    return json_response((await app.jobs.list(state=state, model=model, limit=limit, after=after))._asdict())


@router.get(
    "/jobs/{job_id}", operation_id="get_job", **documented("Get a job and its progress", answers(Job), tag="jobs")
)
async def job(app: App, job_id: JobId) -> Response:
    """A job and its progress; a search with its trials and the best of them."""
    return json_response(await app.jobs.get(job_id))


@router.post("/jobs/{job_id}/cancel", operation_id="cancel_job", **documented("Cancel a job", answers(Job), tag="jobs"))
async def cancel(app: App, job_id: JobId) -> Response:
    """Cancel a job; cancelling it twice is the same as once."""
    return json_response(await app.jobs.cancel(job_id))


@router.post("/jobs/{job_id}/pause", operation_id="pause_job", **documented("Pause a job", answers(Job), tag="jobs"))
async def pause(app: App, job_id: JobId) -> Response:
    """Have a job wait until it is resumed; pausing it twice is the same as once."""
    return json_response(await app.jobs.pause(job_id))


@router.post("/jobs/{job_id}/resume", operation_id="resume_job", **documented("Resume a job", answers(Job), tag="jobs"))
async def resume(app: App, job_id: JobId) -> Response:
    """Have a paused job go on where it was; resuming it twice is the same as once."""
    return json_response(await app.jobs.resume(job_id))


@router.get(
    "/jobs/{job_id}/events",
    operation_id="watch_job",
    **documented("Follow a job's events", answers(None, media=sse.MEDIA_TYPE), tag="jobs"),
)
async def job_events(request: Request, app: App, job_id: JobId, last_event_id: LastEvent = None) -> Response:
    """A job's events as they come (Server-Sent Events); `Last-Event-ID` resumes; after the last event, 204."""
    with naming(names(after="Last-Event-ID")):
        return sse.response(await app.jobs.watch(job_id, after=last_event_id or "0"), request.app.state.closing)


@router.get(
    "/jobs/{job_id}/losses",
    operation_id="get_losses",
    **documented("Get the losses of a training as curves", answers(LossCurves, pictures=True), tag="jobs"),
)
async def losses(request: Request, app: App, job_id: JobId, points: Points = DEFAULT_POINTS) -> Response:
    """The losses of a training at the steps it reported, thinned to `points`; the extremes stay."""
    media_type = choose(headers_of(request.scope).accept, CHART_OFFERS)
    return await charted(await app.jobs.losses(job_id, points=points), of_losses, media_type)


@router.get(
    "/jobs/{job_id}/losses.png",
    operation_id="draw_losses_png",
    **documented("Draw the losses of a training, PNG", answers(None, media=png.MEDIA_TYPE), tag="jobs"),
)
async def losses_png(app: App, job_id: JobId, points: Points = DEFAULT_POINTS) -> Response:
    """The curves of a training as a PNG, for a link."""
    return await charted(await app.jobs.losses(job_id, points=points), of_losses, png.MEDIA_TYPE)


@router.get(
    "/jobs/{job_id}/losses.svg",
    operation_id="draw_losses_svg",
    **documented("Draw the losses of a training, SVG", answers(None, media=svg.MEDIA_TYPE), tag="jobs"),
)
async def losses_svg(app: App, job_id: JobId, points: Points = DEFAULT_POINTS) -> Response:
    """The curves of a training as an SVG, for a link."""
    return await charted(await app.jobs.losses(job_id, points=points), of_losses, svg.MEDIA_TYPE)


@router.get(
    "/jobs/{job_id}/file",
    operation_id="download_job_file",
    **documented("Download the file of a sampling", answers(None, media=npy.MEDIA_TYPE), tag="jobs"),
)
async def job_file(request: Request, app: App, job_id: JobId) -> Response:
    """The file of a sampling, npy; `Range` gives a part of it."""
    return download(request, await app.jobs.file(job_id))
