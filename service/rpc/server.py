"""The gRPC server: the service, health and reflection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from pushforward.service.application.application import Application
from pushforward.service.domain.errors import ServiceError
from pushforward.service.rpc import reflection
from pushforward.service.rpc.calls import Calls
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.servicer import Servicer
from pushforward.service.settings import Settings
from pushforward.service.telemetry.gateway import Telemetry

if TYPE_CHECKING:
    from pushforward.service.telemetry.spans import GatewayTracing

SERVICE = pb.DESCRIPTOR.services_by_name["Pushforward"].full_name
POLL_S = 1.0  # between two checks whether the service is ready
FIRST_POLL_S = 0.5  # time limit of the first, before calls are answered


@final
class GrpcServer:
    """The server, its health and its port. Raises OSError where the address is taken.

    Several processes may share a port; then it must be free before the first one starts.
    """

    def __init__(
        self,
        application: Application,
        telemetry: Telemetry,
        closing: asyncio.Event,
        tracing: GatewayTracing | None = None,
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
        """Start to serve."""
        await self._poll(FIRST_POLL_S)
        await self._server.start()

    async def poll_readiness(self) -> None:
        """Keep the health of the service equal to `/readyz`, forever; that of the server ("") says that it runs."""
        while True:
            await asyncio.sleep(POLL_S)
            await self._poll(None)

    async def _poll(self, timeout_s: float | None) -> None:
        health_of = health_pb2.HealthCheckResponse
        try:
            async with asyncio.timeout(timeout_s):
                await self._application.catalog.ready()
        except (ServiceError, TimeoutError):
            await self._health.set(SERVICE, health_of.NOT_SERVING)
        else:
            await self._health.set(SERVICE, health_of.SERVING)

    async def announce_end(self) -> None:
        """Health says NOT_SERVING, so that clients send no more calls."""
        await self._health.enter_graceful_shutdown()

    async def close(self, grace_s: float) -> None:
        """Take no more calls; those under way have `grace_s` to end."""
        await self._server.stop(grace_s)


def _handlers(servicer: Servicer, calls: Calls) -> grpc.GenericRpcHandler[Any, Any]:
    """A handler for each method of the service: the method of the servicer with its name."""
    methods = pb.DESCRIPTOR.services_by_name["Pushforward"].methods
    handlers = {method.name: calls.handler(method, getattr(servicer, method.name)) for method in methods}
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


def _options(settings: Settings, shared: bool) -> list[tuple[str, int]]:
    return [
        (
            "grpc.so_reuseport",
            int(shared),
        ),  # without it a port in use is an error; with it the processes share its calls
        ("grpc.max_receive_message_length", settings.max_body_bytes),
        ("grpc.max_send_message_length", -1),  # an answer's size is bounded by max_values
        ("grpc.max_concurrent_streams", settings.max_calls),  # of one connection
        ("grpc.max_metadata_size", settings.max_header_bytes),
        ("grpc.absolute_max_metadata_size", settings.max_header_bytes),
        ("grpc.server_handshake_timeout_ms", round(1000 * settings.header_timeout_s)),
        ("grpc.keepalive_time_ms", 60_000),  # closes the connection of a client that has vanished
        ("grpc.keepalive_timeout_ms", 20_000),
        (
            "grpc.http2.min_ping_interval_without_data_ms",
            30_000,
        ),  # between pings of a client; after two strikes its connection is closed
        ("grpc.http2.max_ping_strikes", 2),
    ]
