"""`python -m pushforward.service.healthcheck gateway|worker`: exit code 0 while this container's process is healthy."""

from __future__ import annotations

import asyncio
import sys

import httpx

from pushforward.service.dispatch.workers import RedisWorkers, worker_id_prefix
from pushforward.service.domain.catalog import Worker
from pushforward.service.domain.errors import Unavailable
from pushforward.service.settings import Settings

TIMEOUT_S = 4.0


async def check_gateway(settings: Settings) -> str | None:
    """The fault, if there is one: the REST API does not answer, or the event loop hangs."""
    url = f"http://127.0.0.1:{settings.http_port}/livez"
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
            (await client.get(url)).raise_for_status()
    except httpx.HTTPError as error:
        return f"{url}: {error}"
    return None


async def check_worker(settings: Settings) -> str | None:
    """The fault, if there is one: this host's worker has no heartbeat, or its threads hang."""
    workers = RedisWorkers(settings)
    try:
        ours = [worker for worker in await workers.live() if worker.id.startswith(worker_id_prefix())]
    except Unavailable as error:
        return error.detail
    finally:
        await workers.close()
    if not ours:
        return "no worker of this host beats"
    return next((fault for fault in (_fault(worker, settings) for worker in ours) if fault), None)


def _fault(worker: Worker, settings: Settings) -> str | None:
    """A thread that has not come round for longer than a request may wait, or jobs that wait for a free slot."""
    if worker.stalled_s > settings.ask_timeout_s:
        return f"{worker.id}: the thread that answers requests has not come round for {worker.stalled_s:.0f} s"
    if worker.untaken_s > settings.ask_timeout_s:
        return f"{worker.id}: it has taken no job for {worker.untaken_s:.0f} s, although some wait and a slot is free"
    return None


CHECKS = {"gateway": check_gateway, "worker": check_worker}


def main(arguments: list[str]) -> int | str:
    """The exit code, or the fault."""
    match arguments:
        case [name] if name in CHECKS:
            return asyncio.run(CHECKS[name](Settings())) or 0
        case _:
            return "usage: python -m pushforward.service.healthcheck gateway|worker"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
