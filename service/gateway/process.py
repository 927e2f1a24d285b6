"""One gateway process: REST and gRPC, over Redis.

`service.gateway.cluster` starts several that share their ports: `python -m pushforward.service.gateway.process`.
"""

from __future__ import annotations

import asyncio
import logging
import sys

from pushforward.service.gateway import bootstrap
from pushforward.service.gateway.serve import loop, serve
from pushforward.service.processes.spawn import settle
from pushforward.service.processes.watchdog import watched_loop
from pushforward.service.settings import Settings
from pushforward.service.telemetry import logs, tracing
from pushforward.service.telemetry.gateway import Telemetry
from pushforward.service.telemetry.sharing import Sharing


async def run(settings: Settings, *, shared: bool) -> None:
    """Until SIGTERM or SIGINT; Redis is let go last, and then the last is told of what was counted and traced."""
    telemetry, traces = Telemetry(settings.metrics_folder, settings.store), tracing.of_door()
    sharing = Sharing(telemetry.metrics)
    if settings.metrics_folder is not None:
        sharing.start()
    try:
        async with watched_loop(settings), bootstrap.application(settings, telemetry, traces) as application:
            await serve(application, telemetry, traces, shared=shared)
    finally:
        if settings.metrics_folder is not None:
            sharing.stop()
        if traces is not None:
            await asyncio.to_thread(traces.close)


def main(*, shared: bool) -> int:
    """The process; its exit code."""
    logs.setup("gateway", logging.WARNING)
    settle()
    try:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(run(Settings(), shared=shared))
    except OSError as error:
        sys.stderr.write(f"the gateway cannot start: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(shared=True))
