"""`python -m service.gateway`: both doors in one process, on one loop.

SIGTERM or SIGINT: health says NOT_SERVING; no new connections; event streams end, asks at work are finished;
then Redis is let go.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import uvicorn
from fastapi import FastAPI

from service import bootstrap
from service.gateway.app import create
from service.rpc.server import Door
from service.settings import Settings
from service.telemetry import Telemetry

GRACE_S = 10.0  # for asks at work when the doors close
BACKLOG = 2048


@final
class Uvicorn(uvicorn.Server):
    """Leaves signals to us, who know the order."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    telemetry, closing = Telemetry(), asyncio.Event()
    async with bootstrap.application(settings, telemetry) as application:
        rpc = Door(application, telemetry, closing)
        listener = _listen(settings.http_host, settings.http_port)
        rest = _uvicorn(create(application, telemetry, closing))
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


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def _uvicorn(app: FastAPI) -> Uvicorn:
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(GRACE_S),
    )
    return Uvicorn(config)


def main() -> int:
    """The process; its exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        with asyncio.Runner(loop_factory=uvicorn.Config("", loop="auto").get_loop_factory()) as runner:
            runner.run(serve(Settings()))
    except OSError as error:
        sys.stderr.write(f"the gateway cannot start: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
