"""The gateway as a process of its own, over the stand-ins: `python -m tests.doors.gateway`."""

import asyncio
import os
from dataclasses import dataclass, replace

from service.domain import Question, Reply
from service.gateway.serving import loop, serve
from service.settings import Settings
from service.telemetry import Telemetry
from tests.doors.fakes import InProcessAsks, application


@dataclass(frozen=True)
class ToldAsks:
    """Asks that say on standard output that they were taken."""

    asks: InProcessAsks

    async def ask(self, question: Question, *, timeout_s: float) -> Reply:
        print("asked", flush=True)
        return await self.asks.ask(question, timeout_s=timeout_s)


async def main() -> None:
    app = application(Settings())
    assert isinstance(app.asks, InProcessAsks)
    app.asks.delay_s = float(os.environ.get("DELAY_S", "0"))
    await serve(replace(app, asks=ToldAsks(app.asks)), Telemetry())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())
