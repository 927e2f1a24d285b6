"""Pause and resume in the record of jobs: Redis and memory pass the same tests."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from pushforward.service.domain.errors import NotFound, Overloaded
from pushforward.service.domain.jobs import State, Wish
from pushforward.service.domain.ports import NewJob, Stale
from pushforward.service.jobs.redis_record import RedisJobs
from pushforward.service.jobs.redis_runs import RedisRuns
from pushforward.service.settings import Settings
from tests.service.jobs.conftest import CRASH, NEW, Record, claimed, progress


async def test_a_queued_job_pauses_at_once_and_no_worker_is_told_of_it(record: Record) -> None:
    job, _ = await record.jobs.create(NEW)
    paused = await record.jobs.pause(job.id)
    assert (paused.state, paused.queue_position, paused.pause_requested) == (State.PAUSED, None, False)
    assert await record.jobs.pause(job.id) == paused
    assert record.runs.claim("train", "w") is None
    assert record.runs.unannounced(-1.0) == []
    assert record.runs.state(job.id) is State.PAUSED
    page = await record.jobs.list(state=State.PAUSED, model=None, limit=9)
    assert [each.id for each in page.jobs] == [job.id]


async def test_a_resumed_job_has_its_place_back(record: Record) -> None:
    first, second = [(await record.jobs.create(NEW))[0] for _ in range(2)]
    await record.jobs.pause(first.id)
    assert (await record.jobs.get(second.id)).queue_position == 1
    resumed = await record.jobs.resume(first.id)
    assert (resumed.state, resumed.queue_position) == (State.QUEUED, 1)
    assert await record.jobs.resume(first.id) == resumed
    again = record.runs.claim("train", "w")
    assert again is not None
    assert again.id == first.id


async def test_a_running_job_pauses_when_its_runner_gives_it_back(record: Record) -> None:
    job = await claimed(record)
    asked = await record.jobs.pause(job.id)
    assert (asked.state, asked.pause_requested) == (State.RUNNING, True)
    assert await record.jobs.pause(job.id) == asked
    assert record.runs.beat(job.id, 1, [progress(5)]) is Wish.PAUSE
    record.runs.give_back(job.id, 1)
    paused = await record.jobs.get(job.id)
    assert (paused.state, paused.pause_requested, paused.progress.step) == (State.PAUSED, False, 5)
    assert record.runs.claim("train", "w") is None
    await record.jobs.resume(job.id)
    again = record.runs.claim("train", "w")
    assert again is not None
    assert (again.epoch, again.progress.step, again.started_at) == (2, 5, job.started_at)


async def test_a_job_that_is_resumed_before_its_runner_sees_the_pause_goes_on(record: Record) -> None:
    job = await claimed(record)
    await record.jobs.pause(job.id)
    resumed = await record.jobs.resume(job.id)
    assert (resumed.state, resumed.pause_requested) == (State.RUNNING, False)
    assert record.runs.beat(job.id, 1, []) is Wish.GO_ON


async def test_a_job_that_is_resumed_while_its_runner_stops_it_waits_again(record: Record) -> None:
    job = await claimed(record)
    await record.jobs.pause(job.id)
    assert record.runs.beat(job.id, 1, []) is Wish.PAUSE
    await record.jobs.resume(job.id)
    record.runs.give_back(job.id, 1)
    assert (await record.jobs.get(job.id)).state is State.QUEUED


async def test_a_paused_job_is_cancelled_at_once(record: Record) -> None:
    job, _ = await record.jobs.create(NEW)
    await record.jobs.pause(job.id)
    cancelled = await record.jobs.cancel(job.id)
    assert (cancelled.state, cancelled.cancel_requested) == (State.CANCELLED, True)
    for unchanged in (await record.jobs.pause(job.id), await record.jobs.resume(job.id)):
        assert unchanged == cancelled


async def test_a_pausing_job_that_is_cancelled_ends_and_does_not_pause(record: Record) -> None:
    job = await claimed(record)
    await record.jobs.pause(job.id)
    await record.jobs.cancel(job.id)
    assert record.runs.beat(job.id, 1, []) is Wish.CANCEL
    record.runs.give_back(job.id, 1)
    ended = await record.jobs.get(job.id)
    assert (ended.state, ended.pause_requested) == (State.CANCELLED, False)


async def test_a_job_that_is_being_cancelled_is_not_paused(record: Record) -> None:
    job = await claimed(record)
    await record.jobs.cancel(job.id)
    assert (await record.jobs.pause(job.id)).pause_requested is False
    assert record.runs.beat(job.id, 1, []) is Wish.CANCEL


async def test_it_is_too_late_to_pause_once_a_version_is_reserved(record: Record) -> None:
    job = await claimed(record)
    record.runs.reserve_version(job.id, 1, 0)
    assert (await record.jobs.pause(job.id)).pause_requested is False


async def test_a_job_that_ends_before_its_runner_sees_the_pause_ends(record: Record) -> None:
    job = await claimed(record)
    await record.jobs.pause(job.id)
    assert record.runs.reserve_version(job.id, 1, 0) == 1
    record.runs.succeed(job.id, 1, 1, {})
    ended = await record.jobs.get(job.id)
    assert (ended.state, ended.pause_requested) == (State.SUCCEEDED, False)


async def test_a_pausing_job_whose_runner_vanishes_is_paused_however_often_it_was_tried(record: Record) -> None:
    job = await claimed(record)
    record.runs.lose(job.id, 1, CRASH)
    record.runs.claim("train", "w")
    await record.jobs.pause(job.id)
    record.outlive_the_leases()
    record.runs.expire()
    assert (await record.jobs.get(job.id)).state is State.PAUSED
    assert record.runs.unannounced(-1.0) == []
    await record.jobs.resume(job.id)
    assert record.runs.claim("train", "w") is not None
    record.runs.lose(job.id, 3, CRASH)
    assert (await record.jobs.get(job.id)).error == CRASH


async def test_a_runner_that_comes_back_after_its_job_was_paused_is_told_to_stop(record: Record) -> None:
    job = await claimed(record)
    await record.jobs.pause(job.id)
    record.outlive_the_leases()
    record.runs.expire()
    assert record.runs.beat(job.id, 1, [progress(7)]) is Wish.PAUSE
    record.runs.give_back(job.id, 1)
    paused = await record.jobs.get(job.id)
    assert (paused.state, paused.progress.step) == (State.PAUSED, 7)
    await record.jobs.resume(job.id)
    record.runs.claim("train", "another")
    with pytest.raises(Stale):
        record.runs.beat(job.id, 1, [])


async def test_a_pausing_job_on_a_machine_at_fault_is_paused(record: Record) -> None:
    job = await claimed(record)
    await record.jobs.pause(job.id)
    record.runs.defer(job.id, 1, "the disk is full")
    paused = await record.jobs.get(job.id)
    assert (paused.state, paused.waiting_for, paused.retry_at) == (State.PAUSED, None, None)


async def test_a_job_that_waits_for_a_machine_is_paused_and_is_tried_at_once_when_it_is_resumed(record: Record) -> None:
    job = await claimed(record)
    record.runs.defer(job.id, 1, "the disk is full")
    await record.jobs.pause(job.id)
    record.outlive_the_pauses()
    assert record.runs.claim("train", "w") is None
    await record.jobs.resume(job.id)
    assert record.runs.claim("train", "w") is not None


async def test_paused_jobs_count_among_those_that_may_wait(record: Record) -> None:
    for _ in range(3):
        job, _ = await record.jobs.create(NEW)
        await record.jobs.pause(job.id)
    with pytest.raises(Overloaded, match="3 jobs are waiting or paused"):
        await record.jobs.create(NEW)
    await record.jobs.cancel(job.id)
    await record.jobs.create(NEW)


async def test_a_lost_job_that_was_paused_is_paused_again(record: Record) -> None:
    lost = (await claimed(record)).model_copy(update={"id": "0123456789abcdef", "state": State.PAUSED, "priority": 7})
    record.runs.restore(lost)
    restored = await record.jobs.get(lost.id)
    assert (restored.state, restored.epoch, restored.priority) == (State.PAUSED, 1, 7)
    assert record.runs.claim("train", "w") is None
    await record.jobs.resume(lost.id)
    again = record.runs.claim("train", "w")
    assert again is not None
    assert (again.id, again.epoch) == (lost.id, 2)


async def test_a_watch_goes_on_while_a_job_is_paused(record: Record) -> None:
    job, _ = await record.jobs.create(NEW)
    await record.jobs.pause(job.id)
    await record.jobs.resume(job.id)
    await record.jobs.cancel(job.id)
    seen = [each.data["state"] async for each in record.jobs.watch(job.id, after="0") if each.kind == "state"]
    assert seen == ["queued", "paused", "queued", "cancelled"]


async def test_an_unknown_job_is_neither_paused_nor_resumed(record: Record) -> None:
    for job_id in ("x", "0123456789abcdef"):
        with pytest.raises(NotFound):
            await record.jobs.pause(job_id)
        with pytest.raises(NotFound):
            await record.jobs.resume(job_id)


async def test_jobs_that_are_paused_while_workers_claim_are_either_paused_or_told_to_pause(redis_url: str) -> None:
    settings = Settings(redis_url=redis_url)
    jobs, runs = RedisJobs(settings), RedisRuns(settings)
    ids = [(await jobs.create(NewJob(model="moons", run={})))[0].id for _ in range(40)]
    with ThreadPoolExecutor(4) as pool:
        claims = [asyncio.wrap_future(pool.submit(runs.claim, "train", "w")) for _ in range(30)]
        await asyncio.gather(*(jobs.pause(job_id) for job_id in ids))
        held = [job for job in await asyncio.gather(*claims) if job is not None]
    for job in held:
        assert runs.beat(job.id, 1, []) is Wish.PAUSE
        runs.give_back(job.id, 1)
    assert {(await jobs.get(job_id)).state for job_id in ids} == {State.PAUSED}
    assert runs.claim("train", "w") is None
    await jobs.close()
    runs.close()
