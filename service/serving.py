"""Both doors in one process, on one loop, and the order in which they close.

SIGTERM or SIGINT: health says NOT_SERVING; no new connections; event streams end, asks at work are finished.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import uvicorn
from fastapi import FastAPI

from service.application import Application
from service.gateway.app import create
from service.rpc.server import Door
from service.telemetry import Telemetry

GRACE_S = 10  # for asks at work when the doors close
BACKLOG = 2048


@final
class Uvicorn(uvicorn.Server):
    """Leaves signals to us, who know the order."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(application: Application, telemetry: Telemetry) -> None:
    """Until SIGTERM or SIGINT. Says as a line of JSON where it listens: a port 0 is chosen by the system.

    Raises:
        OSError: an address is taken.
    """
    settings = application.settings
    stopping, closing = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    listener = _listen(settings.http_host, settings.http_port)
    rpc = Door(application, telemetry, closing)
    rest = Uvicorn(_config(create(application, telemetry, closing)))
    serving = asyncio.ensure_future(rest.serve(sockets=[listener]))
    await rpc.open()
    while not (rest.started or serving.done()):
        await asyncio.sleep(0.005)
    ports = {"http_port": listener.getsockname()[1], "grpc_port": rpc.port}
    sys.stdout.write(json.dumps({"event": "listening", **ports}) + "\n")
    sys.stdout.flush()

    ended = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({ended, serving}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    await rpc.announce_end()
    closing.set()
    rest.should_exit = True
    await asyncio.gather(serving, rpc.close(GRACE_S))


def loop() -> asyncio.AbstractEventLoop:
    """A new loop: uvloop's where there is one."""
    factory = uvicorn.Config("", loop="auto", log_config=None).get_loop_factory()
    return factory() if factory else asyncio.new_event_loop()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
