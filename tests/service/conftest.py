"""A supervisor over real Redis, with real children, in a thread of the test."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pushforward.service.domain.jobs import Event, Fault, Job, Kind, ModelEvaluation, Sampling
from pushforward.service.domain.ports import NewJob
from pushforward.service.jobs.redis_record import RedisJobs
from pushforward.service.jobs.redis_runs import RedisRuns
from pushforward.service.runner.supervisor import Supervisor
from pushforward.service.settings import Settings
from pushforward.service.trackers.thread import Trackers

ENDLESS = 10_000_000


def small_run(steps: int, **changes: Any) -> dict[str, Any]:
    """Some milliseconds a step at most."""
    return {
        "family": {"family": "vae", "latent": 2, "width": 8, "depth": 1},
        "data": {"source": "two_moons"},
        "optimizer": {"batch_size": 16},
        "budget": {"steps": steps},
        **changes,
    }


class Bench:
    """A record, a store, and supervisors at work."""

    lost = Fault(type="lost", detail="its worker vanished")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.runs = RedisRuns(settings)
        self.draining = threading.Event()
        self.supervisor = Supervisor(self.runs, settings, worker="bench", draining=self.draining)
        self._threads: list[threading.Thread] = []

    def tracked_by(self, trackers: Trackers) -> Supervisor:
        """Another supervisor, with trackers."""
        return Supervisor(self.runs, self.settings, worker="tracked", draining=self.draining, trackers=trackers)

    def create(self, run: dict[str, Any], model: str = "moons", priority: int = 0) -> str:
        return self._ask(lambda jobs: jobs.create(NewJob(model=model, run=run, priority=priority)))[0].id

    def create_sampling(self, ask: Sampling, priority: int = 0) -> str:
        new = NewJob(model=ask.model.partition("@")[0], ask=ask, priority=priority)
        return self._ask(lambda jobs: jobs.create(new))[0].id

    def create_evaluation(self, asked: ModelEvaluation) -> str:
        return self._ask(lambda jobs: jobs.create(NewJob(model=asked.model.partition("@")[0], evaluation=asked)))[0].id

    def job(self, job_id: str) -> Job:
        return self._ask(lambda jobs: jobs.get(job_id))

    def cancel(self, job_id: str) -> Job:
        return self._ask(lambda jobs: jobs.cancel(job_id))

    def pause(self, job_id: str) -> Job:
        return self._ask(lambda jobs: jobs.pause(job_id))

    def resume(self, job_id: str) -> Job:
        return self._ask(lambda jobs: jobs.resume(job_id))

    def events(self, job_id: str) -> list[Event]:
        async def collect(jobs: RedisJobs) -> list[Event]:
            return [event async for event in jobs.watch(job_id, after="0")]

        return self._ask(collect)

    def supervise(self, kind: Kind = "train") -> threading.Thread:
        """One slot, until no job of the kind waits."""
        thread = threading.Thread(target=self.supervisor.run, args=(kind,))
        thread.start()
        self._threads.append(thread)
        return thread

    def checkpoints(self, job_id: str) -> list[Path]:
        return sorted(self.settings.store.glob(f".jobs/{job_id}/*/states/step-*"))

    def until_checkpointed(self, job_id: str) -> int:
        """The step of the newest checkpoint."""
        until(lambda: bool(self.checkpoints(job_id)))
        return int(self.checkpoints(job_id)[-1].name.removeprefix("step-"))

    def close(self) -> None:
        self.draining.set()
        for thread in self._threads:
            thread.join(30)
        self.runs.close()

    def _ask(self, request: Callable[[RedisJobs], Any]) -> Any:
        async def ask() -> Any:
            jobs = RedisJobs(self.settings)
            answer = await request(jobs)
            await jobs.close()
            return answer

        return asyncio.run(ask())


def until(happened: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Poll; a deadline that passes is a failure."""
    give_up = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def bench(redis_url: str, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(
        Settings(
            redis_url=redis_url,
            store=tmp_path / "store",
            data_root=tmp_path,
            beat_s=0.1,
            lease_s=1.0,
            checkpoint_s=0.2,
            max_attempts=2,
        )
    )
    yield bench
    bench.close()
