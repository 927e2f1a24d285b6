"""One gateway process: REST and gRPC, over Redis.

`service.gateway.cluster` starts several that share their ports: `python -m pushforward.service.gateway.process`.
"""

from __future__ import annotations

import asyncio
import logging
import sys

from pushforward.service.gateway import bootstrap
from pushforward.service.gateway.serve import loop, serve
from pushforward.service.processes.garbage import freeze_gc
from pushforward.service.processes.watchdog import watched_loop
from pushforward.service.settings import Settings
from pushforward.service.telemetry import logs, tracing
from pushforward.service.telemetry.gateway import Telemetry
from pushforward.service.telemetry.sharing import MetricsSharing


async def run(settings: Settings, *, shared: bool) -> None:
    """Run until SIGTERM or SIGINT; then close Redis, and at last write metrics and traces."""
    telemetry, traces = Telemetry(settings.metrics_folder, settings.store), tracing.for_gateway()
    sharing = MetricsSharing(telemetry.metrics)
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
    """Run one gateway; the exit code."""
    logs.setup("gateway", logging.WARNING)
    freeze_gc()
    try:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(run(Settings(), shared=shared))
    except OSError as error:
        sys.stderr.write(f"the gateway cannot start: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(shared=True))
