"""Priorities, preemption and foreseen starts in the record of jobs: Redis and memory pass the same tests."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import redis

from pushforward.service.domain.jobs import Job, State, Wish
from pushforward.service.jobs.redis_record import RedisJobs
from pushforward.service.jobs.redis_runs import RedisRuns
from pushforward.service.settings import Settings
from tests.service.jobs.conftest import COMPARE, CRASH, DRAW, NEW, Record, claimed, progress


async def create(record: Record, priority: int = 0) -> Job:
    return (await record.jobs.create(replace(NEW, priority=priority)))[0]


async def running(record: Record, priority: int = 0) -> Job:
    """A new job that is claimed."""
    job = await create(record, priority)
    assert record.runs.claim("train", "w") is not None
    return job


async def test_the_highest_priority_is_claimed_first_and_of_equal_ones_the_oldest(redis_url: str) -> None:
    settings = Settings(redis_url=redis_url)
    jobs, runs = RedisJobs(settings), RedisRuns(settings)
    priorities = [0, 5, -3, 5, 100, 0, -100, -3, 20, 0]
    made = [(await jobs.create(replace(NEW, priority=each)))[0] for each in priorities]
    wanted = [job.id for _, job in sorted(enumerate(made), key=lambda each: (-each[1].priority, each[0]))]
    places = {job.queue_position: job for job in [await jobs.get(each.id) for each in made]}
    assert [places[place + 1].id for place in range(10)] == wanted
    assert [places[place + 1].ahead for place in range(10)] == [tuple(wanted[:place]) for place in range(10)]
    await jobs.pause(wanted[1])
    await jobs.resume(wanted[1])
    claims = [runs.claim("train", "w") for _ in range(10)]
    assert [job.id for job in claims if job] == wanted
    assert runs.claim("train", "w") is None
    with redis.Redis.from_url(redis_url) as client:
        assert client.exists("pf:ranked:train", "pf:waiting:train", "pf:queued") == 0
    await jobs.close()
    runs.close()


async def test_priorities_are_in_the_record_and_order_the_line(record: Record) -> None:
    low, middle, high = await create(record, -1), await create(record), await create(record, 1)
    seen = [await record.jobs.get(job.id) for job in (high, middle, low)]
    assert [(job.priority, job.queue_position) for job in seen] == [(1, 1), (0, 2), (-1, 3)]
    assert seen[2].ahead == (high.id, middle.id)
    claims = [record.runs.claim("train", "w") for _ in range(3)]
    assert [job.id for job in claims if job] == [high.id, middle.id, low.id]


async def test_kinds_do_not_wait_for_each_other(record: Record) -> None:
    drawing, _ = await record.jobs.create(DRAW)
    comparing, _ = await record.jobs.create(COMPARE)
    training = await create(record, 9)
    claims = [record.runs.claim(kind, "w") for kind in ("sample", "evaluate", "train")]
    assert [job.id for job in claims if job] == [drawing.id, comparing.id, training.id]


async def test_a_job_that_waits_for_a_machine_lets_others_pass(record: Record) -> None:
    high = await running(record, 5)
    record.runs.defer(high.id, 1, "the disk is full")
    low = await create(record, -5)
    first = record.runs.claim("train", "w")
    assert first is not None
    assert first.id == low.id
    record.outlive_the_pauses()
    second = record.runs.claim("train", "w")
    assert second is not None
    assert (second.id, second.epoch) == (high.id, 2)


async def test_a_job_that_always_loses_its_worker_fails_and_the_others_run(record: Record) -> None:
    poison = await running(record, 5)
    other = await create(record)
    record.runs.lose(poison.id, 1, CRASH)
    again = record.runs.claim("train", "w")
    assert again is not None
    assert (again.id, again.epoch) == (poison.id, 2)
    record.runs.lose(poison.id, 2, CRASH)
    assert (await record.jobs.get(poison.id)).state is State.FAILED
    last = record.runs.claim("train", "w")
    assert last is not None
    assert last.id == other.id


async def test_a_low_job_makes_room_for_a_high_one_that_finds_no_slot(record: Record) -> None:
    low = await running(record)
    high = await create(record, 5)
    assert record.runs.beat(low.id, 1, [progress(30)]) is Wish.GO_ON  # a free slot may still claim it
    record.wait_some_beats()
    assert record.runs.beat(low.id, 1, []) is Wish.YIELD
    assert record.runs.beat(low.id, 1, []) is Wish.YIELD
    record.runs.give_back(low.id, 1)
    waiting = await record.jobs.get(low.id)
    assert (waiting.state, waiting.queue_position, waiting.progress.step) == (State.QUEUED, 2, 30)
    freed = record.runs.claim("train", "w")
    assert freed is not None
    assert freed.id == high.id
    record.runs.fail(high.id, 1, CRASH)
    again = record.runs.claim("train", "w")
    assert again is not None
    assert (again.id, again.epoch) == (low.id, 2)
    assert record.runs.beat(low.id, 2, []) is Wish.GO_ON
    record.runs.fail(low.id, 2, CRASH)
    said = [each.data["message"] async for each in record.jobs.watch(low.id, after="0") if each.kind == "log"]
    assert said == [f"preempted by job {high.id} of priority 5 at step 30; it goes on when a slot is free"]


async def test_a_preempted_attempt_does_not_count(record: Record) -> None:
    low = await running(record)
    for epoch in range(1, 5):
        high = await create(record, 1)
        record.wait_some_beats()
        assert record.runs.beat(low.id, epoch, []) is Wish.YIELD
        record.runs.give_back(low.id, epoch)
        record.runs.claim("train", "w")
        record.runs.fail(high.id, 1, CRASH)
        assert record.runs.claim("train", "w") is not None
    assert (await record.jobs.get(low.id)).epoch == 5


async def test_an_equal_job_preempts_none(record: Record) -> None:
    low = await running(record, 3)
    await create(record, 3)
    record.wait_some_beats()
    assert record.runs.beat(low.id, 1, []) is Wish.GO_ON


async def test_of_several_the_lowest_makes_room_and_then_that_which_started_last(record: Record) -> None:
    middle = await running(record, 1)
    older, newer = await running(record), await running(record)
    for _ in range(3):
        await create(record, 5)
    record.wait_some_beats()
    victims = {newer.id, older.id}
    first = next(each for each in (older, newer) if record.runs.beat(each.id, 1, []) is Wish.YIELD)
    assert record.runs.beat(next(iter(victims - {first.id})), 1, []) is Wish.YIELD
    assert record.runs.beat(middle.id, 1, []) is Wish.YIELD


async def test_each_waiting_job_preempts_one(record: Record) -> None:
    jobs = [await running(record) for _ in range(3)]
    await create(record, 5)
    await create(record, -5)
    record.wait_some_beats()
    wishes = [record.runs.beat(job.id, 1, []) for job in (*jobs, *jobs)]
    assert wishes.count(Wish.YIELD) in (1, 2)  # one job, that was asked once or twice
    assert sum(record.runs.beat(job.id, 1, []) is Wish.YIELD for job in jobs) == 1


async def test_a_slot_that_is_to_be_free_anyway_is_waited_for(record: Record) -> None:
    pausing, other = await running(record), await running(record)
    await record.jobs.pause(pausing.id)
    await create(record, 5)
    record.wait_some_beats()
    assert record.runs.beat(other.id, 1, []) is Wish.GO_ON
    await create(record, 5)
    record.wait_some_beats()
    assert record.runs.beat(other.id, 1, []) is Wish.YIELD


@pytest.mark.parametrize("way", ["preempted", "paused", "failed"])
async def test_a_slot_that_became_free_just_now_is_waited_for(record: Record, way: str) -> None:
    """Its next job is claimed in a moment; until then another one must not make room, too."""
    low, middle = await running(record, -5), await running(record)
    await create(record, 9)
    if way == "paused":
        await record.jobs.pause(low.id)
    record.wait_some_beats()
    if way == "preempted":
        assert record.runs.beat(low.id, 1, []) is Wish.YIELD
    if way == "failed":
        record.runs.fail(low.id, 1, CRASH)
    else:
        record.runs.give_back(low.id, 1)
    assert record.runs.beat(middle.id, 1, []) is Wish.GO_ON
    record.wait_some_beats()
    assert record.runs.beat(middle.id, 1, []) is Wish.YIELD  # nobody took it: its worker is gone


async def test_jobs_that_are_about_to_end_are_not_preempted(record: Record) -> None:
    published, scored = await running(record), await running(record)
    record.runs.reserve_version(published.id, 1, 0)
    record.runs.beat(scored.id, 1, [progress(100)])
    await create(record, 5)
    record.wait_some_beats()
    assert {record.runs.beat(job.id, 1, []) for job in (published, scored)} == {Wish.GO_ON}


async def test_samplings_are_preempted_and_evaluations_are_not(record: Record) -> None:
    for new, wish in ((DRAW, Wish.YIELD), (COMPARE, Wish.GO_ON)):
        low, _ = await record.jobs.create(new)
        record.runs.claim(new.kind, "w")
        high, _ = await record.jobs.create(replace(new, priority=1))
        record.wait_some_beats()
        assert record.runs.beat(low.id, 1, []) is wish
        await record.jobs.cancel(high.id)


async def test_a_waiting_job_tells_when_it_will_start(record: Record) -> None:
    first = await claimed(record)
    waiting = await create(record)
    assert waiting.starts_at is None  # nobody has told yet
    record.runs.beat(first.id, 1, [progress(50, seconds_left=30.0)])
    assert (await record.jobs.get(first.id)).seconds_left == 30.0
    second, high = await create(record), await create(record, 5)
    starts = [(await record.jobs.get(job.id)).starts_at for job in (high, waiting, second)]
    assert None not in starts
    now = record.now()
    # The slot is free in 30 s, and each job ahead takes the 60 s that the running one takes in all.
    assert [float(start or 0) - now for start in starts] == pytest.approx([30, 90, 150], abs=2)


async def test_two_slots_share_those_that_wait_and_a_paused_job_takes_what_it_had_left(record: Record) -> None:
    first, second = await running(record), await running(record)
    record.runs.beat(first.id, 1, [progress(50, seconds_left=10.0)])
    record.runs.beat(second.id, 1, [progress(50, seconds_left=100.0)])
    third = await create(record)
    await record.jobs.pause(first.id)
    record.runs.give_back(first.id, 1)
    assert (await record.jobs.get(first.id)).seconds_left == 10.0
    assert record.runs.claim("train", "w") is not None  # the third
    record.runs.beat(third.id, 1, [progress(50, seconds_left=40.0)])
    await record.jobs.resume(first.id)
    last = await create(record)
    starts = [(await record.jobs.get(job.id)).starts_at for job in (first, last)]
    now = record.now()
    assert [float(start or 0) - now for start in starts] == pytest.approx([40, 50], abs=2)
    record.runs.succeed(second.id, 1, 1, {})
    assert (await record.jobs.get(second.id)).seconds_left is None


def test_racing_slots_claim_each_job_once_and_in_order(redis_url: str) -> None:
    settings = Settings(redis_url=redis_url)

    async def create_all() -> list[str]:
        jobs = RedisJobs(settings)
        ids = [(await jobs.create(replace(NEW, priority=each % 7)))[0].id for each in range(60)]
        await jobs.close()
        return ids

    ids, runs = asyncio.run(create_all()), RedisRuns(settings)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda i: runs.claim("train", f"w{i}"), range(80)))
    runs.close()
    assert sorted(job.id for job in claims if job) == sorted(ids)
    assert {job.epoch for job in claims if job} == {1}
