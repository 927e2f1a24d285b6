"""One gateway process: both doors, REST and gRPC, over Redis.

`python -m service.gateway.process` is one of several that share their ports: `service.gateway.cluster` starts them.
"""

from __future__ import annotations

import asyncio
import logging
import sys

from service.gateway import bootstrap
from service.gateway.serve import loop, serve
from service.processes.spawn import settle
from service.processes.watchdog import watched_loop
from service.settings import Settings
from service.telemetry import logs, tracing
from service.telemetry.gateway import Telemetry
from service.telemetry.registry import Sharing


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
