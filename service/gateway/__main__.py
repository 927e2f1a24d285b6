"""`python -m service.gateway`: both doors, REST and gRPC."""

from __future__ import annotations

import asyncio
import logging
import sys

from service import bootstrap, logs
from service.serving import loop, serve
from service.settings import Settings
from service.telemetry import Telemetry


async def run() -> None:
    """Until SIGTERM or SIGINT; Redis is let go last."""
    telemetry = Telemetry()
    async with bootstrap.application(Settings(), telemetry) as application:
        await serve(application, telemetry)


def main() -> int:
    """The process; its exit code."""
    logs.setup("gateway", logging.WARNING)
    try:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(run())
    except OSError as error:
        sys.stderr.write(f"the gateway cannot start: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
