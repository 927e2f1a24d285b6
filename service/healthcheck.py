"""`python -m service.healthcheck gateway|worker`: exit code 0 while the process of this container is well."""

from __future__ import annotations

import asyncio
import sys

import httpx

from service.adapters.redis_workers import RedisWorkers, worker_id_prefix
from service.errors import Unavailable
from service.settings import Settings

TIMEOUT_S = 4.0


async def check_gateway(settings: Settings) -> str | None:
    """What is wrong: its door does not answer."""
    url = f"http://127.0.0.1:{settings.http_port}/livez"
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
            (await client.get(url)).raise_for_status()
    except httpx.HTTPError as error:
        return f"{url}: {error}"
    return None


async def check_worker(settings: Settings) -> str | None:
    """What is wrong: no worker of this host beats."""
    workers = RedisWorkers(settings)
    prefix = worker_id_prefix()
    try:
        beats = any(worker.id.startswith(prefix) for worker in await workers.live())
    except Unavailable as error:
        return error.detail
    finally:
        await workers.close()
    return None if beats else "no worker of this host beats"


CHECKS = {"gateway": check_gateway, "worker": check_worker}


def main(arguments: list[str]) -> int | str:
    """The exit code, or what is wrong."""
    match arguments:
        case [name] if name in CHECKS:
            return asyncio.run(CHECKS[name](Settings())) or 0
        case _:
            return "usage: python -m service.healthcheck gateway|worker"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
