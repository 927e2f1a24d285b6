"""The gRPC server: a servicer thin over the application, health, reflection."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from service.application import Application
from service.domain import State
from service.errors import Failed, ServiceError, Unavailable
from service.rpc import convert, reflection, status
from service.rpc.pb import pushforward_pb2 as pb
from service.rpc.pb import pushforward_pb2_grpc as pb_grpc
from service.settings import Settings
from service.telemetry import Telemetry
from service.watching import heed

if TYPE_CHECKING:
    from service.spans import DoorTracing

SERVICE = pb.DESCRIPTOR.services_by_name["Pushforward"].full_name
LOOK_S = 1.0  # between two looks at whether the service is ready
OPENING_S = 0.5  # for the first, before calls are answered
DEFAULT_LIMIT = 100  # of a list of jobs
# The statuses that are no fault of the client's, in a trace.
FAULTS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}

Context = grpc.aio.ServicerContext[Any, Any]
Request = TypeVar("Request")
Response = TypeVar("Response")

log = logging.getLogger(__name__)


def unary(
    method: Callable[[Servicer, Request, Context], Awaitable[Response]],
) -> Callable[[Servicer, Request, Context], Awaitable[Response]]:
    """A call with one answer: refusals become statuses, and it is counted."""

    @functools.wraps(method)
    async def guarded(self: Servicer, request: Request, context: Context) -> Response:
        async with _Guard(method.__name__, self.telemetry, self.tracing, context):
            return await method(self, request, context)

    return guarded


def streaming(
    method: Callable[[Servicer, Request, Context], AsyncGenerator[Response]],
) -> Callable[[Servicer, Request, Context], AsyncGenerator[Response]]:
    """A call with many answers, likewise."""

    @functools.wraps(method)
    async def guarded(self: Servicer, request: Request, context: Context) -> AsyncGenerator[Response]:
        guard = _Guard(method.__name__, self.telemetry, self.tracing, context)
        async with guard, aclosing(method(self, request, context)) as responses:
            async for response in responses:
                yield response

    return guarded


@final
class _Guard:
    """Around one call."""

    def __init__(self, name: str, telemetry: Telemetry, tracing: DoorTracing | None, context: Context) -> None:
        self._name, self._telemetry, self._context = name, telemetry, context
        self._since = perf_counter()
        self._request = None if tracing is None else tracing.begin(f"{SERVICE}/{name}", _texts(context))

    async def __aenter__(self) -> None:
        return

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        code, refusal = grpc.StatusCode.OK, None
        if isinstance(error, ServiceError):
            code, refusal = status.CODES[error.kind], error
        elif isinstance(error, Exception):
            log.error("%s failed", self._name, exc_info=error)
            code, refusal = grpc.StatusCode.INTERNAL, Failed("an unexpected error; the service's log tells more")
        elif error is not None:
            code = grpc.StatusCode.CANCELLED
        seconds = perf_counter() - self._since
        self._telemetry.request(door="grpc", route=self._name, status=code.name, seconds=seconds)
        if self._request is not None:
            told = {"rpc.system": "grpc", "rpc.service": SERVICE, "rpc.method": self._name}
            self._request.end(
                f"{SERVICE}/{self._name}",
                {**told, "rpc.grpc.status_code": code.value[0]},
                failed=code in FAULTS,
            )
        if refusal is not None:
            await status.abort(self._context, refusal)


@final
class Servicer(pb_grpc.PushforwardServicer):
    """The calls: one line of work each."""

    def __init__(
        self,
        application: Application,
        telemetry: Telemetry,
        closing: asyncio.Event,
        tracing: DoorTracing | None = None,
    ) -> None:
        self.application = application
        self.telemetry = telemetry
        self.tracing = tracing
        self.closing = closing

    # --- jobs ---

    @unary
    async def Train(self, request: pb.TrainRequest, context: Context) -> pb.Job:
        key = request.idempotency_key or None
        return convert.job(await self.application.train(convert.train(request), idempotency_key=key))

    @unary
    async def GetJob(self, request: pb.GetJobRequest, context: Context) -> pb.Job:
        return convert.job(await self.application.job(request.id))

    @unary
    async def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        jobs = await self.application.list_jobs(
            state=convert.state(request.state), model=request.model or None, limit=request.limit or DEFAULT_LIMIT
        )
        return pb.ListJobsResponse(jobs=map(convert.job, jobs))

    @streaming
    async def WatchJob(self, request: pb.WatchJobRequest, context: Context) -> AsyncGenerator[pb.JobEvent]:
        seen, is_over = request.after or "0", False
        async for event in heed(await self.application.watch(request.id, after=seen), self.closing):
            if event is not None:
                yield convert.event(event)
                seen, is_over = event.id, event.kind == "state" and State(event.data["state"]).is_final
        if not is_over and not (await self.application.job(request.id)).state.is_final:
            raise Unavailable(f"the service is closing; watch again after {seen}", retry_after_s=1.0)

    @unary
    async def CancelJob(self, request: pb.CancelJobRequest, context: Context) -> pb.Job:
        return convert.job(await self.application.cancel(request.id))

    @streaming
    async def DownloadFile(self, request: pb.DownloadFileRequest, context: Context) -> AsyncGenerator[pb.FileChunk]:
        file = await self.application.file(request.id)
        async with aclosing(file.read(convert.file_start(request, file.n_bytes))) as pieces:
            async for data in pieces:
                yield pb.FileChunk(data=data)

    # --- asks ---

    @unary
    async def Sample(self, request: pb.SampleRequest, context: Context) -> pb.SampleResponse:
        ask = convert.sample(request)
        return convert.samples(await self.application.ask(ask, timeout_s=context.time_remaining()))

    @streaming
    async def SampleStream(self, request: pb.SampleRequest, context: Context) -> AsyncGenerator[pb.SampleResponse]:
        ask = convert.sample(request)
        answer = self.application.stream if ask.preview_every is None else self.application.preview
        async with aclosing(answer(ask, timeout_s=context.time_remaining())) as parts:
            async for part in parts:
                yield convert.part(part)

    @unary
    async def StartSampling(self, request: pb.StartSamplingRequest, context: Context) -> pb.Job:
        ask, key = convert.sample(request.ask), request.idempotency_key or None
        return convert.job(await self.application.sample_to_file(ask, idempotency_key=key))

    @unary
    async def Likelihood(self, request: pb.LikelihoodRequest, context: Context) -> pb.LikelihoodResponse:
        ask = convert.likelihood(request)
        return convert.likelihoods(await self.application.ask(ask, timeout_s=context.time_remaining()))

    @unary
    async def Encode(self, request: pb.EncodeRequest, context: Context) -> pb.EncodeResponse:
        ask = convert.encode(request)
        return convert.codes(await self.application.ask(ask, timeout_s=context.time_remaining()))

    @unary
    async def Decode(self, request: pb.DecodeRequest, context: Context) -> pb.DecodeResponse:
        ask = convert.decode(request)
        return convert.decoded(await self.application.ask(ask, timeout_s=context.time_remaining()))

    @unary
    async def Reconstruct(self, request: pb.ReconstructRequest, context: Context) -> pb.ReconstructResponse:
        ask = convert.reconstruct(request)
        return convert.reconstructed(await self.application.ask(ask, timeout_s=context.time_remaining()))

    @unary
    async def Interpolate(self, request: pb.InterpolateRequest, context: Context) -> pb.InterpolateResponse:
        ask = convert.interpolate(request)
        return convert.interpolated(await self.application.ask(ask, timeout_s=context.time_remaining()))

    # --- models, and what there is ---

    @unary
    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        cards = await self.application.list_models(model=request.model or None)
        return pb.ListModelsResponse(models=map(convert.model, cards))

    @unary
    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.Model:
        return convert.model(await self.application.model(request.model))

    @unary
    async def DeleteModel(self, request: pb.DeleteModelRequest, context: Context) -> pb.DeleteModelResponse:
        return pb.DeleteModelResponse(deleted=await self.application.delete_model(request.model))

    @unary
    async def ListFamilies(self, request: pb.ListFamiliesRequest, context: Context) -> pb.ListFamiliesResponse:
        return pb.ListFamiliesResponse(families=map(convert.family, self.application.families()))

    @unary
    async def ListPresets(self, request: pb.ListPresetsRequest, context: Context) -> pb.ListPresetsResponse:
        return pb.ListPresetsResponse(presets=map(convert.preset, self.application.presets()))


@final
class Door:
    """The server, its health and its port. Raises OSError where the address is taken.

    Several processes may share a port, which then must have been found free before.
    """

    def __init__(
        self,
        application: Application,
        telemetry: Telemetry,
        closing: asyncio.Event,
        tracing: DoorTracing | None = None,
        *,
        shared: bool = False,
    ) -> None:
        settings = application.settings
        self._application = application
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]
        self._server = grpc.aio.server(options=_options(settings, shared))
        pb_grpc.add_PushforwardServicer_to_server(Servicer(application, telemetry, closing, tracing), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable(self._server, (SERVICE, health.SERVICE_NAME))
        host = f"[{settings.grpc_host}]" if ":" in settings.grpc_host else settings.grpc_host
        try:
            self.port = self._server.add_insecure_port(f"{host}:{settings.grpc_port}")
        except RuntimeError as error:
            raise OSError(f"gRPC cannot listen on {host}:{settings.grpc_port}; is the port taken?") from error

    async def open(self) -> None:
        """Answer calls."""
        await self._tell(OPENING_S)
        await self._server.start()

    async def tell_readiness(self) -> None:
        """Health says of the service what `/readyz` says; of the server as a whole (""), that it answers. For ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self._tell(None)

    async def _tell(self, patience_s: float | None) -> None:
        told = health_pb2.HealthCheckResponse
        try:
            async with asyncio.timeout(patience_s):
                await self._application.ready()
        except (ServiceError, TimeoutError):
            await self._health.set(SERVICE, told.NOT_SERVING)
        else:
            await self._health.set(SERVICE, told.SERVING)

    async def announce_end(self) -> None:
        """Health tells that no more calls should come."""
        await self._health.enter_graceful_shutdown()

    async def close(self, grace_s: float) -> None:
        """Take no more calls; those at work have `grace_s` to end."""
        await self._server.stop(grace_s)


def _texts(context: Context) -> dict[str, str]:
    """The metadata that are text."""
    metadata = context.invocation_metadata() or ()
    return {name: value for name, value in metadata if isinstance(value, str)}


def _options(settings: Settings, shared: bool) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", int(shared)),  # else a taken port is an error, not a share of its calls
        ("grpc.max_receive_message_length", settings.max_body_bytes),
        ("grpc.max_send_message_length", -1),  # an answer's size is bounded by max_values
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
    ]
