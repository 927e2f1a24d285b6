"""`service.healthcheck`: what a container is told of its own process."""

import pytest

from pushforward.service import healthcheck
from pushforward.service.dispatch.workers import Heartbeats, new_worker_id
from pushforward.service.domain.catalog import Worker
from pushforward.service.settings import Settings


def beat(settings: Settings, worker_id: str, **told: float) -> None:
    beats = Heartbeats(settings)
    worker = Worker(id=worker_id, device="cpu", models=(), training=(), seen_at=0.0)
    beats.beat(worker.model_copy(update=told))


async def test_a_worker_of_this_host_that_beats_is_well(redis_url: str) -> None:
    settings = Settings(redis_url=redis_url)
    beat(settings, new_worker_id())
    assert await healthcheck.check_worker(settings) is None


@pytest.mark.parametrize("fault", ["stalled_s", "untaken_s"])
async def test_a_worker_that_beats_while_what_works_does_not_is_not_well(redis_url: str, fault: str) -> None:
    settings = Settings(redis_url=redis_url, ask_timeout_s=30.0)
    worker_id = new_worker_id()
    beat(settings, worker_id, **{fault: 30.0})
    assert await healthcheck.check_worker(settings) is None
    beat(settings, worker_id, **{fault: 30.1})
    assert str(await healthcheck.check_worker(settings)).startswith(f"{worker_id}: ")


async def test_the_beats_of_other_hosts_do_not_count(redis_url: str) -> None:
    settings = Settings(redis_url=redis_url)
    beat(settings, "another-0123456789abcdef")
    assert await healthcheck.check_worker(settings) == "no worker of this host beats"


async def test_a_worker_is_not_well_without_redis() -> None:
    assert await healthcheck.check_worker(Settings(redis_url="unix:///nowhere.sock")) is not None


@pytest.mark.parametrize("arguments", [[], ["redis"], ["gateway", "worker"]])
def test_it_says_how_it_is_used(arguments: list[str]) -> None:
    assert str(healthcheck.main(arguments)).startswith("usage: ")
