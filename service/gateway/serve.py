"""REST and gRPC in one process, on one event loop. Several processes may share the ports.

After SIGTERM or SIGINT: the health service says NOT_SERVING, new connections are refused, event streams end, and
requests in flight are finished.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, final

import uvicorn
from starlette.types import ASGIApp

from pushforward.service.application.application import Application
from pushforward.service.gateway.listening import print_listening
from pushforward.service.http.connections import UvicornConfig
from pushforward.service.http.hosts import is_local
from pushforward.service.processes.background import Tasks, begin
from pushforward.service.rest.app import create
from pushforward.service.rest.routes.inference import by_path
from pushforward.service.rpc.server import GrpcServer
from pushforward.service.settings import Settings
from pushforward.service.telemetry.gateway import Telemetry

if TYPE_CHECKING:
    from pushforward.service.telemetry.spans import GatewayTracing

SPARE_FILES = 1024  # for Redis, files being read, and connections about to close
GRACE_S = 10  # for requests in flight when the APIs close
BACKLOG = 2048

log = logging.getLogger(__name__)


@final
class Uvicorn(uvicorn.Server):
    """Uvicorn without signal handlers: `serve` has its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    application: Application, telemetry: Telemetry, tracing: GatewayTracing | None = None, *, shared: bool = False
) -> None:
    """Serve until SIGTERM or SIGINT. Prints the ports as a line of JSON: the system chooses for a port 0.

    On shared ports other processes listen too; the system chooses one of them for each connection.

    Raises:
        OSError: an address is taken.
    """
    settings = application.settings
    stopping, closing = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    _allow_connections(settings)
    listener = _listen(settings.http_host, settings.http_port, shared)
    rpc = GrpcServer(application, telemetry, closing, tracing, shared=shared)
    config = _config(create(application, telemetry, closing, tracing), settings, telemetry)
    rest = Uvicorn(config)
    _warn_exposed(settings)
    serving = begin(rest.serve(sockets=[listener]), "REST")
    await rpc.open()
    while not (rest.started or serving.done()):
        await asyncio.sleep(0.005)
    print_listening(listener.getsockname()[1], rpc.port)

    tasks = Tasks()
    tasks.keep("readiness of gRPC", rpc.poll_readiness)
    tasks.keep("lag of REST's event loop", config.shedding.measure)
    tasks.keep("sweep of the datasets", application.datasets.keep_swept)
    ended = begin(stopping.wait(), "stopping")
    await asyncio.wait({ended, serving}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    await tasks.close()
    await rpc.announce_end()
    closing.set()
    rest.should_exit = True
    await asyncio.gather(serving, rpc.close(GRACE_S))


def loop() -> asyncio.AbstractEventLoop:
    """A new event loop: uvloop's if it is installed."""
    factory = uvicorn.Config("", loop="auto", log_config=None).get_loop_factory()
    return factory() if factory else asyncio.new_event_loop()


def _listen(host: str, port: int, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=shared)


def _warn_exposed(settings: Settings) -> None:
    """Warn where other machines reach the APIs, which have no authentication."""
    hosts = {"REST": settings.http_host, "gRPC": settings.grpc_host}
    exposed = [f"{name} at {host}" for name, host in hosts.items() if not is_local(host)]
    if exposed:
        log.warning(
            "%s answers more than this machine, and anybody who reaches it: put a proxy before it that knows its "
            "users, see docs/settings.md",
            " and ".join(exposed),
        )


def _allow_connections(settings: Settings) -> None:
    """Raise the limit on open files: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.max_connections + settings.max_calls + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _config(app: ASGIApp, settings: Settings, telemetry: Telemetry) -> UvicornConfig:
    return UvicornConfig(
        app,
        settings,
        telemetry,
        frozenset(path.encode() for path in by_path),
        ws="none",
        lifespan="off",
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # the address of the client is not used
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
