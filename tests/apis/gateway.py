"""The gateway as a process of its own, over stand-ins: `python -m tests.apis.gateway`. Its model draws zeros."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np

from pushforward.models.data import TwoMoons
from pushforward.service.domain.errors import Failed
from pushforward.service.domain.inference import InferenceRequest, Preview, Reply, Timing
from pushforward.service.gateway.serve import loop, serve
from pushforward.service.settings import Settings
from pushforward.service.telemetry.gateway import Telemetry
from tests.apis.fakes import MOONS, application, card


@dataclass(frozen=True)
class ToldAsks:
    """`ports.Asks` that says on standard output that a request was taken, and answers it after a while.

    Rows from `broken_from` on are refused.
    """

    delay_s: float
    broken_from: float

    async def ask(self, request: InferenceRequest, *, timeout_s: float) -> Reply:
        print("asked", flush=True)
        await asyncio.sleep(self.delay_s)
        if request.first >= self.broken_from:
            raise Failed("the worker failed")
        timing = Timing(linger_ms=0.0, queue_ms=0.0, compute_ms=0.0, total_ms=0.0, batch_rows=request.rows)
        return Reply({"samples": np.zeros((request.rows, 2), np.float32)}, {}, timing)

    async def watch(self, request: InferenceRequest, *, timeout_s: float) -> AsyncIterator[Preview | Reply]:
        yield await self.ask(request, timeout_s=timeout_s)


async def main() -> None:
    asks = ToldAsks(float(os.environ["DELAY_S"]), float(os.environ["BROKEN_FROM"]))
    await serve(application(Settings(), [card("moons", MOONS, TwoMoons().spec)], asks), Telemetry())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())
