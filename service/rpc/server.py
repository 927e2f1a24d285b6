"""The gRPC server: a servicer thin over the application, health, reflection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from pushforward.service.application.application import Application
from pushforward.service.application.job_events import heed
from pushforward.service.domain.errors import ServiceError, Unavailable, names, naming
from pushforward.service.domain.jobs import State
from pushforward.service.rpc import convert, reflection
from pushforward.service.rpc.calls import Calls, Context
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.pb import pushforward_pb2_grpc as pb_grpc
from pushforward.service.settings import Settings
from pushforward.service.telemetry.gateway import Telemetry

if TYPE_CHECKING:
    from pushforward.service.telemetry.spans import DoorTracing

SERVICE = pb.DESCRIPTOR.services_by_name["Pushforward"].full_name
LOOK_S = 1.0  # between two looks at whether the service is ready
OPENING_S = 0.5  # for the first, before calls are answered
DEFAULT_LIMIT = 100  # of a list of jobs


@final
class Servicer(pb_grpc.PushforwardServicer):
    """The calls: one line of work each."""

    def __init__(self, application: Application, closing: asyncio.Event) -> None:
        self.application = application
        self.closing = closing

    # --- jobs ---

    async def Train(self, request: pb.TrainRequest, context: Context) -> pb.Job:
        key = request.idempotency_key or None
        with naming(names(**{"run.seed": "seed"} if request.HasField("seed") else {})):
            return convert.job(await self.application.train(convert.train(request), idempotency_key=key))

    async def GetJob(self, request: pb.GetJobRequest, context: Context) -> pb.Job:
        return convert.job(await self.application.job(request.id))

    async def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        with naming(names(after="page_token")):
            page = await self.application.list_jobs(
                state=convert.state(request.state),
                model=request.model or None,
                limit=request.limit or DEFAULT_LIMIT,
                after=request.page_token or None,
            )
        return pb.ListJobsResponse(jobs=map(convert.job, page.jobs), next_page_token=page.next or "")

    async def WatchJob(self, request: pb.WatchJobRequest, context: Context) -> AsyncGenerator[pb.JobEvent]:
        seen, is_over = request.after or "0", False
        watched = await self.application.watch(request.id, after=seen)
        if watched is None:
            return
        async for event in heed(watched, self.closing):
            if event is not None:
                yield convert.event(event)
                seen, is_over = event.id, event.kind == "state" and State(event.data["state"]).is_final
        if not is_over and not (await self.application.job(request.id)).state.is_final:
            raise Unavailable(f"the service is closing; watch again after {seen}", retry_after_s=1.0)

    async def CancelJob(self, request: pb.CancelJobRequest, context: Context) -> pb.Job:
        return convert.job(await self.application.cancel(request.id))

    async def DownloadFile(self, request: pb.DownloadFileRequest, context: Context) -> AsyncGenerator[pb.FileChunk]:
        file = await self.application.file(request.id)
        async with aclosing(file.read(convert.file_start(request, file.n_bytes))) as pieces:
            async for data in pieces:
                yield pb.FileChunk(data=data)

    # --- asks ---

    async def Sample(self, request: pb.SampleRequest, context: Context) -> pb.SampleResponse:
        ask = convert.sample(request)
        return convert.samples(await self.application.ask(ask, timeout_s=context.time_remaining()))

    async def SampleStream(self, request: pb.SampleRequest, context: Context) -> AsyncGenerator[pb.SampleResponse]:
        ask = convert.sample(request)
        answer = self.application.stream if ask.preview_every is None else self.application.preview
        async with aclosing(answer(ask, timeout_s=context.time_remaining())) as parts:
            async for part in parts:
                yield convert.part(part)

    async def StartSampling(self, request: pb.StartSamplingRequest, context: Context) -> pb.Job:
        key = request.idempotency_key or None
        with naming(_within_ask):
            ask = convert.sample(request.ask)
            return convert.job(await self.application.sample_to_file(ask, idempotency_key=key))

    async def Likelihood(self, request: pb.LikelihoodRequest, context: Context) -> pb.LikelihoodResponse:
        ask = convert.likelihood(request)
        return convert.likelihoods(await self.application.ask(ask, timeout_s=context.time_remaining()))

    async def Encode(self, request: pb.EncodeRequest, context: Context) -> pb.EncodeResponse:
        ask = convert.encode(request)
        return convert.codes(await self.application.ask(ask, timeout_s=context.time_remaining()))

    async def Decode(self, request: pb.DecodeRequest, context: Context) -> pb.DecodeResponse:
        ask = convert.decode(request)
        return convert.decoded(await self.application.ask(ask, timeout_s=context.time_remaining()))

    async def Reconstruct(self, request: pb.ReconstructRequest, context: Context) -> pb.ReconstructResponse:
        ask = convert.reconstruct(request)
        return convert.reconstructed(await self.application.ask(ask, timeout_s=context.time_remaining()))

    async def Interpolate(self, request: pb.InterpolateRequest, context: Context) -> pb.InterpolateResponse:
        ask = convert.interpolate(request)
        return convert.interpolated(await self.application.ask(ask, timeout_s=context.time_remaining()))

    # --- models, and what there is ---

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        cards = await self.application.list_models(model=request.model or None)
        return pb.ListModelsResponse(models=map(convert.model, cards))

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.Model:
        return convert.model(await self.application.model(request.model))

    async def DeleteModel(self, request: pb.DeleteModelRequest, context: Context) -> pb.DeleteModelResponse:
        return pb.DeleteModelResponse(deleted=await self.application.delete_model(request.model))

    async def ListFamilies(self, request: pb.ListFamiliesRequest, context: Context) -> pb.ListFamiliesResponse:
        return pb.ListFamiliesResponse(families=map(convert.family, self.application.families()))

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
        self._server = grpc.aio.server(options=_options(settings, shared), maximum_concurrent_rpcs=settings.max_calls)
        calls = Calls(settings, application.intake, telemetry, tracing)
        self._server.add_generic_rpc_handlers((_handlers(Servicer(application, closing), calls),))
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


def _within_ask(field: str) -> str:
    """A field of `StartSamplingRequest`: those of the sample are in its `ask`."""
    return field if field == "idempotency_key" else f"ask.{field}"


def _handlers(servicer: Servicer, calls: Calls) -> grpc.GenericRpcHandler[Any, Any]:
    """Every method of the contract, answered by the servicer's of the same name."""
    methods = pb.DESCRIPTOR.services_by_name["Pushforward"].methods
    handlers = {method.name: calls.handler(method, getattr(servicer, method.name)) for method in methods}
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


def _options(settings: Settings, shared: bool) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", int(shared)),  # else a taken port is an error, not a share of its calls
        ("grpc.max_receive_message_length", settings.max_body_bytes),
        ("grpc.max_send_message_length", -1),  # an answer's size is bounded by max_values
        ("grpc.max_concurrent_streams", settings.max_calls),  # of one connection
        ("grpc.max_metadata_size", settings.max_header_bytes),
        ("grpc.absolute_max_metadata_size", settings.max_header_bytes),
        ("grpc.server_handshake_timeout_ms", round(1000 * settings.header_timeout_s)),
        ("grpc.keepalive_time_ms", 60_000),  # a client that is gone without a word is let go
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 30_000),  # of a client's pings; beyond two it is let go
        ("grpc.http2.max_ping_strikes", 2),
    ]
