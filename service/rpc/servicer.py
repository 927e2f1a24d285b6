"""The methods of the gRPC service: from a message to a call of the application, and from its result to a message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, final

from pushforward.service.application.application import Application
from pushforward.service.application.delivery import Delivery, Form
from pushforward.service.application.results import PreviewResult, SampleResult, SampleStream
from pushforward.service.domain.errors import names, naming
from pushforward.service.domain.jobs import Job
from pushforward.service.rpc import charts, records, requests, results
from pushforward.service.rpc.guard import Context
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.pb import pushforward_pb2_grpc as pb_grpc

DEFAULT_LIMIT = 100  # of a list of jobs


def _one_reply(read: Callable[[Any], Any], write: Callable[[Any], Any]) -> Any:
    """The method of a request to a model that has one reply."""

    async def method(servicer: Servicer, request: Any, context: Context) -> Any:
        ask = read(request)
        return write(await servicer.application.inference.ask(ask, timeout_s=context.time_remaining()))

    return method


@final
class Servicer(pb_grpc.PushforwardServicer):
    """All methods of the service."""

    def __init__(self, application: Application, closing: asyncio.Event) -> None:
        self.application = application
        self.closing = closing

    # --- jobs ---

    async def Train(self, request: pb.TrainRequest, context: Context) -> pb.Job:
        key = request.idempotency_key or None
        with naming(names(**{"run.seed": "seed"} if request.HasField("seed") else {})):
            return records.job(await self.application.jobs.train(requests.train(request), idempotency_key=key))

    async def PlanTraining(self, request: pb.TrainRequest, context: Context) -> pb.TrainingPlan:
        with naming(names(**{"run.seed": "seed"} if request.HasField("seed") else {})):
            return records.plan(await self.application.jobs.plan(requests.train(request)))

    async def Evaluate(self, request: pb.EvaluateRequest, context: Context) -> pb.Job:
        key = request.idempotency_key or None
        return records.job(await self.application.jobs.evaluate(requests.evaluate(request), idempotency_key=key))

    async def GetJob(self, request: pb.GetJobRequest, context: Context) -> pb.Job:
        return records.job(await self.application.jobs.get(request.id))

    async def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        with naming(names(after="page_token")):
            page = await self.application.jobs.list(
                state=requests.state(request.state),
                model=request.model or None,
                limit=request.limit or DEFAULT_LIMIT,
                after=request.page_token or None,
            )
        return pb.ListJobsResponse(jobs=map(records.job, page.jobs), next_page_token=page.next or "")

    async def WatchJob(self, request: pb.WatchJobRequest, context: Context) -> AsyncGenerator[pb.JobEvent]:
        async for event in self.application.jobs.follow(request.id, after=request.after or "0", closing=self.closing):
            yield records.event(event)

    async def CancelJob(self, request: pb.CancelJobRequest, context: Context) -> pb.Job:
        return records.job(await self.application.jobs.cancel(request.id))

    async def PauseJob(self, request: pb.PauseJobRequest, context: Context) -> pb.Job:
        return records.job(await self.application.jobs.pause(request.id))

    async def ResumeJob(self, request: pb.ResumeJobRequest, context: Context) -> pb.Job:
        return records.job(await self.application.jobs.resume(request.id))

    async def GetLosses(self, request: pb.GetLossesRequest, context: Context) -> pb.LossCurves:
        points = {"points": request.points} if request.HasField("points") else {}
        return charts.losses(await self.application.jobs.losses(request.id, **points))

    async def DownloadFile(self, request: pb.DownloadFileRequest, context: Context) -> AsyncGenerator[pb.FileChunk]:
        file = await self.application.jobs.file(request.id)
        async with aclosing(file.read(requests.file_start(request, file.n_bytes))) as pieces:
            async for data in pieces:
                yield pb.FileChunk(data=data)

    # --- requests to models ---

    async def Sample(self, request: pb.SampleRequest, context: Context) -> pb.SampleResponse:
        delivery: Delivery[SampleResult] = Delivery(Form.REPLY, timeout_s=context.time_remaining())
        return results.samples(await self.application.sample(requests.sample(request), delivery), request.accept)

    async def SampleStream(self, request: pb.SampleRequest, context: Context) -> AsyncGenerator[pb.SampleResponse]:
        delivery: Delivery[SampleStream] = Delivery(Form.MESSAGES, timeout_s=context.time_remaining())
        stream = await self.application.sample(requests.sample(request), delivery)
        async with aclosing(stream.items()) as items:
            start = 0
            async for item in items:
                if isinstance(item, PreviewResult):
                    yield results.preview(item)
                else:
                    yield results.samples(item, request.accept, start=start)
                    start += len(item.samples)

    async def StartSampling(self, request: pb.StartSamplingRequest, context: Context) -> pb.Job:
        delivery: Delivery[Job] = Delivery(
            Form.JOB, idempotency_key=request.idempotency_key or None, media_type=request.media_type or None
        )
        with naming(_within_ask):
            return records.job(await self.application.sample(requests.sample(request.ask), delivery))

    Likelihood = _one_reply(requests.likelihood, results.likelihoods)
    Score = _one_reply(requests.score, results.scores)
    Encode = _one_reply(requests.encode, results.codes)
    Decode = _one_reply(requests.decode, results.points(pb.DecodeResponse))
    Reconstruct = _one_reply(requests.reconstruct, results.points(pb.ReconstructResponse))
    Interpolate = _one_reply(requests.interpolate, results.points(pb.InterpolateResponse))
    Translate = _one_reply(requests.translate, results.translations)

    async def Complete(self, request: pb.CompleteRequest, context: Context) -> pb.CompleteResponse:
        ask = requests.complete(request)
        result = await self.application.inference.ask(ask, timeout_s=context.time_remaining())
        return results.completions(result, request.accept)

    # --- datasets ---

    async def PutDataset(self, request_iterator: Any, context: Context) -> pb.Dataset:
        upload = await requests.upload(request_iterator)
        dataset, _ = await self.application.datasets.put(upload, requests.data_of(request_iterator))
        return records.dataset(dataset)

    async def ListDatasets(self, request: pb.ListDatasetsRequest, context: Context) -> pb.ListDatasetsResponse:
        return pb.ListDatasetsResponse(datasets=map(records.dataset, await self.application.datasets.list()))

    async def GetDataset(self, request: pb.GetDatasetRequest, context: Context) -> pb.Dataset:
        return records.dataset(await self.application.datasets.get(request.name))

    async def DownloadDataset(
        self, request: pb.DownloadDatasetRequest, context: Context
    ) -> AsyncGenerator[pb.FileChunk]:
        file = await self.application.datasets.file(request.name)
        async with aclosing(file.read(requests.file_start(request, file.n_bytes))) as pieces:
            async for data in pieces:
                yield pb.FileChunk(data=data)

    async def DeleteDataset(self, request: pb.DeleteDatasetRequest, context: Context) -> pb.DeleteDatasetResponse:
        return pb.DeleteDatasetResponse(deleted=await self.application.datasets.delete(request.name))

    # --- catalog ---

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        cards = await self.application.catalog.models(model=request.model or None)
        return pb.ListModelsResponse(models=map(records.model, cards))

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.Model:
        return records.evaluated(await self.application.catalog.evaluated(request.model))

    async def GetHistogram(self, request: pb.GetHistogramRequest, context: Context) -> pb.ScoreHistogram:
        return charts.histogram(await self.application.inference.histogram(request.model))

    async def DeleteModel(self, request: pb.DeleteModelRequest, context: Context) -> pb.DeleteModelResponse:
        return pb.DeleteModelResponse(deleted=await self.application.catalog.delete(request.model))

    async def ListFamilies(self, request: pb.ListFamiliesRequest, context: Context) -> pb.ListFamiliesResponse:
        return pb.ListFamiliesResponse(families=map(records.family, self.application.catalog.families()))

    async def ListPresets(self, request: pb.ListPresetsRequest, context: Context) -> pb.ListPresetsResponse:
        return pb.ListPresetsResponse(presets=map(records.preset, self.application.catalog.presets()))


def _within_ask(field: str) -> str:
    """A field of `StartSamplingRequest`: those of the sample are in its `ask`."""
    return field if field in ("idempotency_key", "media_type") else f"ask.{field}"
