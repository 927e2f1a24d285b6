"""Jobs in every state that the code before the folders were divided left in Redis."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest
import redis

from pushforward.service.domain.errors import Conflict
from pushforward.service.domain.jobs import Event, Job, State, Wish
from pushforward.service.domain.ports import NewJob, Stale, Update
from pushforward.service.jobs.celery_wakeups import TASK, celery_app
from pushforward.service.jobs.redis_record import RedisJobs
from pushforward.service.jobs.redis_runs import RedisRuns
from pushforward.service.settings import Settings
from tests import old_store
from tests.old_store import JOBS, job_id

CLAIMED = ("training", "sampling", "stopping")
PROGRESS = Update("progress", {"step": 13, "total_steps": 24, "losses": {"kl_nats": 0.5}, "steps_per_s": 10.0})


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        old_store.restore(client)
        yield client


@pytest.fixture
async def jobs(client: redis.Redis, redis_url: str) -> AsyncIterator[RedisJobs]:
    jobs = RedisJobs(Settings(redis_url=redis_url))
    yield jobs
    await jobs.close()


@pytest.fixture
def runs(client: redis.Redis, redis_url: str) -> Iterator[RedisRuns]:
    runs = RedisRuns(Settings(redis_url=redis_url))
    yield runs
    runs.close()


def end_leases(client: redis.Redis) -> None:
    client.zadd("pf:running", {job_id(name): 0 for name in CLAIMED})


async def events(jobs: RedisJobs, name: str, after: str = "0") -> list[Event]:
    """As many as the old code told, or those after one of them."""
    left = sum(after == "0" or each["id"] > after for each in JOBS[name]["events"])
    seen = list[Event]()
    async with aclosing(jobs.watch(job_id(name), after=after)) as watch:
        async for event in watch:
            seen.append(event)
            if len(seen) == left:
                break
    return seen


def has(told: dict[str, object], record: Job | Event) -> bool:
    """Whether a record says what the old code said; it may say more."""
    return is_within(told, record.model_dump(mode="json"))


def is_within(told: object, says: object) -> bool:
    """Whether what is told is said, too: of objects all fields."""
    if isinstance(told, dict) and isinstance(says, dict):
        return all(name in says and is_within(value, says[name]) for name, value in told.items())
    return told == says


def test_there_is_a_job_in_every_state() -> None:
    assert {State(each["job"]["state"]) for each in JOBS.values()} == set(State) - {State.PAUSED}  # which is newer
    assert {each["job"]["kind"] for each in JOBS.values()} == {"train", "sample"}


@pytest.mark.parametrize("name", JOBS)
async def test_a_job_reads_as_it_did(jobs: RedisJobs, name: str) -> None:
    assert has(JOBS[name]["job"], await jobs.get(job_id(name)))


async def test_they_are_listed_as_they_were(jobs: RedisJobs) -> None:
    page = await jobs.list(state=None, model=None, limit=100)
    assert [job.id for job in page.jobs] == old_store.LISTED
    waiting = await jobs.list(state=State.QUEUED, model="moons", limit=100)
    assert [job.id for job in waiting.jobs] == [job_id("queued"), job_id("paused")]


@pytest.mark.parametrize("name", JOBS)
async def test_a_watch_tells_what_happened(jobs: RedisJobs, name: str) -> None:
    told = JOBS[name]["events"]
    seen = await events(jobs, name)
    assert all(has(old, new) for old, new in zip(told, seen, strict=True))


async def test_a_watch_goes_on_after_an_event_of_the_old_code(jobs: RedisJobs) -> None:
    old = JOBS["trained"]["events"]
    assert [event.id for event in await events(jobs, "trained", after=old[2]["id"])] == [each["id"] for each in old[3:]]


@pytest.mark.parametrize(
    ("name", "state"),
    [("queued", "cancelled"), ("paused", "cancelled"), ("training", "running"), ("trained", "succeeded")],
)
async def test_a_job_is_cancelled(jobs: RedisJobs, name: str, state: str) -> None:
    job = await jobs.cancel(job_id(name))
    assert job.state == state
    assert job.cancel_requested == (state != "succeeded")


async def test_an_idempotency_key_still_names_its_job(jobs: RedisJobs) -> None:
    new = NewJob(model="moons", idempotency_key="first", fingerprint="of the request")
    job, is_new = await jobs.create(new)
    assert (job.id, is_new) == (job_id("queued"), False)
    with pytest.raises(Conflict):
        await jobs.create(NewJob(model="moons", idempotency_key="first", fingerprint="of another"))


async def test_jobs_whose_worker_is_gone_wait_again_or_end_as_was_asked(
    jobs: RedisJobs, runs: RedisRuns, client: redis.Redis
) -> None:
    end_leases(client)
    assert set(runs.expire()) == {job_id(name) for name in CLAIMED}
    states = {name: (await jobs.get(job_id(name))).state for name in CLAIMED}
    assert states == {"training": State.QUEUED, "sampling": State.QUEUED, "stopping": State.CANCELLED}
    assert job_id("training") in runs.unannounced(0.0, "train")
    assert job_id("sampling") in runs.unannounced(0.0, "sample")


async def test_an_old_worker_that_still_runs_is_listened_to_until_another_claims(
    jobs: RedisJobs, runs: RedisRuns, client: redis.Redis
) -> None:
    old = job_id("training")
    assert runs.beat(old, 1, [PROGRESS]) is Wish.GO_ON
    assert runs.beat(job_id("stopping"), 1, []) is Wish.CANCEL
    assert (await jobs.get(old)).progress.step == 13
    end_leases(client)
    runs.expire()
    job = runs.claim("train", "new-worker")
    assert job is not None
    assert (job.epoch, job.state, job.progress.step) == (2, State.RUNNING, 13)
    with pytest.raises(Stale):
        runs.beat(old, 1, [PROGRESS])


def test_a_waiting_job_is_claimed_a_paused_one_after_its_pause(runs: RedisRuns, client: redis.Redis) -> None:
    queued, paused = job_id("queued"), job_id("paused")
    client.hset(f"pf:job:{paused}", "retry_ms", 2**52)
    claimed = runs.claim("train", "new-worker")
    assert claimed is not None
    assert (claimed.id, claimed.epoch, claimed.run) == (queued, 1, JOBS["queued"]["job"]["run"])
    client.hset(f"pf:job:{paused}", "retry_ms", 0)
    claimed = runs.claim("train", "new-worker")
    assert claimed is not None
    assert (claimed.id, claimed.epoch, claimed.waiting_for) == (paused, 2, None)


def test_a_version_follows_those_that_were_reserved(runs: RedisRuns) -> None:
    claimed = runs.claim("train", "new-worker")
    assert claimed is not None
    assert runs.reserve_version(claimed.id, claimed.epoch, 0) == 2


def test_a_wake_up_of_an_old_gateway_is_of_the_task_of_new_workers(runs: RedisRuns, redis_url: str) -> None:
    assert (runs.waiting("train"), runs.waiting("sample")) == (1, 1)
    app = celery_app(Settings(redis_url=redis_url))
    with app.connection_for_read() as connection, connection.SimpleQueue("train") as queue:
        message = queue.get(timeout=5)
        message.ack()
    assert message.headers["task"] == TASK
    assert message.payload[0] == [job_id("queued")]
    assert runs.waiting("train") == 0
