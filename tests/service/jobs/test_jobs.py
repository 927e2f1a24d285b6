"""The record of jobs: Redis and memory pass the same tests."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis

from pushforward.service.domain.errors import Conflict, NotFound, Overloaded, Unavailable
from pushforward.service.domain.jobs import Event, Fault, Job, State, Wish
from pushforward.service.domain.ports import NewJob, Stale, Update
from pushforward.service.jobs.redis_record import RedisJobs
from pushforward.service.jobs.redis_runs import RedisRuns
from pushforward.service.jobs.script import CONNECTIONS
from pushforward.service.local.up import redis_server
from pushforward.service.settings import Settings
from tests.service.jobs.conftest import COMPARE, CRASH, DRAW, NEW, Record, claimed, progress


async def collect(events: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]


def states(events: list[Event]) -> list[Any]:
    return [event.data["state"] for event in events if event.kind == "state"]


async def test_a_job_tells_its_place_and_what_is_before_it(record: Record) -> None:
    running = await claimed(record)
    first, second = [(await record.jobs.create(NEW))[0] for _ in range(2)]
    drawing, _ = await record.jobs.create(DRAW)
    assert (first.queue_position, first.ahead) == (1, (running.id,))
    assert (second.queue_position, second.ahead) == (2, (running.id, first.id))
    assert (drawing.queue_position, drawing.ahead) == (1, ())  # samplings do not wait behind trainings
    record.runs.claim("train", "w")
    moved = await record.jobs.get(second.id)
    assert (moved.queue_position, moved.ahead) == (1, (running.id, first.id))
    page = await record.jobs.list(state=State.QUEUED, model=None, limit=9)
    assert [(job.id, job.queue_position) for job in page.jobs] == [(drawing.id, 1), (second.id, 1)]
    assert (await record.jobs.cancel(second.id)).queue_position is None


async def test_a_job_given_back_keeps_its_place(record: Record) -> None:
    first = await claimed(record)
    second, _ = await record.jobs.create(NEW)
    record.runs.give_back(first.id, 1)
    places = [(await record.jobs.get(job.id)).queue_position for job in (first, second)]
    assert places == [1, 2]


async def test_a_job_on_a_machine_at_fault_waits_longer_each_time_and_its_attempts_do_not_count(
    record: Record,
) -> None:
    job = await claimed(record)
    pauses_s = []
    for epoch in range(1, 10):
        record.runs.defer(job.id, epoch, "the disk is full")
        waiting = await record.jobs.get(job.id)
        assert (waiting.state, waiting.waiting_for) == (State.QUEUED, "the disk is full")
        assert waiting.retry_at is not None
        pauses_s.append(waiting.retry_at - record.now())
        assert record.runs.claim("train", "w") is None
        assert record.runs.unannounced(0) == []
        record.outlive_the_pauses()
        assert record.runs.unannounced(600) == [job.id]
        again = record.runs.claim("train", "w")
        assert again is not None
        assert (again.epoch, again.waiting_for, again.retry_at) == (epoch + 1, None, None)
    assert pauses_s == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60], abs=0.9)
    record.runs.lose(job.id, 10, CRASH)
    assert (await record.jobs.get(job.id)).state is State.QUEUED  # its first loss of two


async def test_a_cancelled_job_on_a_machine_at_fault_ends(record: Record) -> None:
    job = await claimed(record)
    await record.jobs.cancel(job.id)
    record.runs.defer(job.id, 1, "the disk is full")
    assert (await record.jobs.get(job.id)).state is State.CANCELLED


async def test_a_list_goes_on_where_the_page_before_ended(record: Record) -> None:
    made = []
    for number in range(7):
        job, _ = await record.jobs.create(NewJob(model=f"m{number % 2}", run={}))
        made.append(job.id)
        await record.jobs.cancel(job.id)
    for model, wanted in ((None, made[::-1]), ("m1", made[5::-2])):
        seen, after = list[str](), None
        while True:
            page = await record.jobs.list(state=State.CANCELLED, model=model, limit=3, after=after)
            seen += [job.id for job in page.jobs]
            after = page.next
            if after is None:
                break
        assert seen == wanted


async def test_a_waiting_jobs_watch_tells_when_it_moves_up(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushforward.service.jobs.redis_record.BLOCK_S", 0.1)
    settings = Settings(redis_url=redis_url)
    jobs, runs = RedisJobs(settings), RedisRuns(settings)
    first, second = [(await jobs.create(NEW))[0] for _ in range(2)]
    async with aclosing(jobs.watch(second.id, after="0")) as watched:
        assert (await anext(watched)).data["queue_position"] == 2
        runs.claim("train", "w")
        moved = await asyncio.wait_for(anext(watched), 10)
    assert (moved.kind, moved.data) == ("queue", {"queue_position": 1, "ahead": [first.id], "starts_at": None})
    await jobs.close()
    runs.close()


async def test_watchers_that_left_hold_no_connection(redis_url: str) -> None:
    jobs = RedisJobs(Settings(redis_url=redis_url))
    job, _ = await jobs.create(NEW)
    watches = [jobs.watch(job.id, after="0") for _ in range(40)]
    for watch in watches:
        await anext(watch)
    waiting = [asyncio.create_task(anext(watch)) for watch in watches]
    with redis.Redis.from_url(redis_url) as client:

        async def until(n_reading: int, most: int) -> None:
            async with asyncio.timeout(20):
                while (
                    sum(each["cmd"] == "xread" for each in client.client_list()) != n_reading
                    or len(client.client_list()) > most
                ):
                    await asyncio.sleep(0.02)

        await until(40, 10_000)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for watch in watches:
            await watch.aclose()
        await until(0, CONNECTIONS + 1)
    await jobs.close()


async def test_a_job_that_ended_is_remembered_as_long_as_it_is_set(redis_url: str) -> None:
    jobs = RedisJobs(Settings(redis_url=redis_url, keep_jobs_s=1000))
    job, _ = await jobs.create(NEW)
    await jobs.cancel(job.id)
    with redis.Redis.from_url(redis_url) as client:
        for key in (f"pf:job:{job.id}", f"pf:job:{job.id}:events"):
            assert 900 < client.ttl(key) <= 1000
    await jobs.close()


async def test_a_new_job_waits(record: Record) -> None:
    job, is_new = await record.jobs.create(NewJob(model="moons", run={"seed": 1}, preset="p"))
    assert is_new
    assert (job.state, job.model, job.run, job.preset, job.epoch) == (State.QUEUED, "moons", {"seed": 1}, "p", 0)
    assert await record.jobs.get(job.id) == job


async def test_the_same_key_and_request_return_the_same_job(record: Record) -> None:
    new = NewJob(model="moons", run={}, idempotency_key="a key", fingerprint="f")
    first, _ = await record.jobs.create(new)
    again, is_new = await record.jobs.create(new)
    assert (again, is_new) == (first, False)


async def test_the_same_key_with_another_request_is_a_conflict(record: Record) -> None:
    await record.jobs.create(NewJob(model="moons", run={}, idempotency_key="k", fingerprint="f"))
    with pytest.raises(Conflict, match="idempotency key"):
        await record.jobs.create(NewJob(model="moons", run={}, idempotency_key="k", fingerprint="g"))


async def test_a_full_queue_refuses(record: Record) -> None:
    for _ in range(3):
        await record.jobs.create(NEW)
    with pytest.raises(Overloaded, match="3 jobs are waiting"):
        await record.jobs.create(NEW)


async def test_an_unknown_job_is_not_found(record: Record) -> None:
    with pytest.raises(NotFound, match="no job 'x'"):
        await record.jobs.get("x")
    with pytest.raises(NotFound):
        await record.jobs.cancel("x")
    with pytest.raises(NotFound):
        await collect(record.jobs.watch("x", after="0"))
    assert record.runs.claim("train", "w") is None


async def test_jobs_are_listed_newest_first_and_by_state_and_model(record: Record) -> None:
    a, b, c = [(await record.jobs.create(NewJob(model=m, run={})))[0] for m in ("one", "two", "one")]
    record.runs.claim("train", "w")

    async def ids(state: State | None, model: str | None, limit: int) -> list[str]:
        return [job.id for job in (await record.jobs.list(state=state, model=model, limit=limit)).jobs]

    assert await ids(None, None, 9) == [c.id, b.id, a.id]
    assert await ids(None, None, 2) == [c.id, b.id]
    assert await ids(State.QUEUED, None, 9) == [c.id, b.id]
    assert await ids(None, "one", 9) == [c.id, a.id]
    assert await ids(State.RUNNING, "two", 9) == []


async def test_a_worker_can_look_up_the_state_of_a_job(record: Record) -> None:
    job, _ = await record.jobs.create(NewJob(model="m", run={}))
    assert record.runs.state(job.id) is State.QUEUED
    assert record.runs.state("0123456789abcdef") is None


async def test_a_job_is_claimed_once(record: Record) -> None:
    job = await claimed(record)
    assert (job.state, job.epoch) == (State.RUNNING, 1)
    assert record.runs.claim("train", "other") is None


async def test_a_beat_records_progress_and_losses(record: Record) -> None:
    job = await claimed(record)
    assert record.runs.beat(job.id, 1, [progress(3), progress(7)]) is Wish.GO_ON
    seen = await record.jobs.get(job.id)
    assert (seen.progress.step, seen.progress.total_steps, seen.losses) == (7, 100, {"kl_nats": 0.5})


async def test_a_picture_is_an_event_and_no_progress(record: Record) -> None:
    job = await claimed(record)
    picture = Update("picture", {"step": 70, "what": "samples", "png": "aGk="})
    record.runs.beat(job.id, 1, [progress(60), picture])
    assert (await record.jobs.get(job.id)).progress.step == 60
    record.runs.fail(job.id, 1, Fault(type="diverged", detail="lower optimizer.lr"))
    events = await collect(record.jobs.watch(job.id, after="0"))
    assert [event.data for event in events if event.kind == "picture"] == [picture.data]


async def test_a_job_has_the_last_curve_that_was_reported_and_numbers_that_are_not_finite(record: Record) -> None:
    job = await claimed(record)
    curve = {"name": "nll_nats", "rows": 9, "steps": [5, 10], "values": ["NaN", 1.5], "best_step": 10}
    first, last = progress(10), progress(11)
    first.data.update(curve=curve, losses={"kl_nats": "Infinity"})
    last.data.update(curve=None, losses={"kl_nats": "-Infinity"})
    record.runs.beat(job.id, 1, [first, last])
    record.runs.beat(job.id, 1, [progress(12)])
    record.runs.beat(job.id, 1, [last])
    seen = await record.jobs.get(job.id)
    assert seen.curve is not None
    assert seen.curve.model_dump(mode="json") == curve
    assert seen.losses == {"kl_nats": float("-inf")}
    record.runs.succeed(job.id, 1, 4, {"effective_share": float("nan")})
    told = [event.data async for event in record.jobs.watch(job.id, after="0") if event.kind == "state"][-1]
    assert (told["metrics"], told["losses"]) == ({"effective_share": "NaN"}, {"kl_nats": "-Infinity"})
    assert told["curve"] == curve


async def test_a_finished_job_tells_its_version_and_metrics(record: Record) -> None:
    job = await claimed(record)
    record.runs.succeed(job.id, 1, 4, {"validation_rmse": 0.25})
    done = await record.jobs.get(job.id)
    assert (done.state, done.version, done.metrics) == (State.SUCCEEDED, 4, {"validation_rmse": 0.25})
    assert done.finished_at is not None


async def test_a_sampling_tells_what_it_draws_and_the_version_it_asks(record: Record) -> None:
    job, _ = await record.jobs.create(DRAW)
    assert (job.kind, job.model, job.version, job.ask, job.run) == ("sample", "moons", 3, DRAW.ask, {})
    assert await record.jobs.get(job.id) == job
    assert record.runs.claim("sample", "w") == await record.jobs.get(job.id)
    training, _ = await record.jobs.create(NEW)
    assert (training.kind, training.ask) == ("train", None)


async def test_an_evaluation_tells_what_it_compares_and_the_version_it_is_of(record: Record) -> None:
    job, _ = await record.jobs.create(COMPARE)
    assert (job.kind, job.version, job.evaluation, job.run) == ("evaluate", 3, COMPARE.evaluation, {})
    assert await record.jobs.get(job.id) == job
    assert record.runs.claim("evaluate", "w") == await record.jobs.get(job.id)
    record.runs.succeed(job.id, 1, 3, {"mmd2": 0.5})
    done = await record.jobs.get(job.id)
    assert (done.state, done.version, done.metrics) == (State.SUCCEEDED, 3, {"mmd2": 0.5})


async def test_a_report_that_is_there_is_not_cancelled_any_more(record: Record) -> None:
    job, _ = await record.jobs.create(COMPARE)
    record.runs.claim("evaluate", "w")
    await record.jobs.cancel(job.id)
    record.runs.succeed(job.id, 1, 3, {"mmd2": 0.5})
    record.runs.succeed(job.id, 1, 3, {"mmd2": 0.5})  # told twice
    done = await record.jobs.get(job.id)
    assert (done.state, done.cancel_requested) == (State.SUCCEEDED, True)


async def test_evaluations_trainings_and_samplings_do_not_wait_behind_each_other(record: Record) -> None:
    jobs = [(await record.jobs.create(new))[0] for new in (NEW, DRAW, COMPARE)]
    assert [(job.queue_position, job.ahead) for job in jobs] == [(1, ())] * 3
    for job in jobs:
        assert job.id not in record.runs.unannounced(60.0, job.kind)
        assert [*record.runs.unannounced(-60.0, job.kind)] == [job.id]


async def test_an_evaluation_that_redis_lost_is_restored(record: Record) -> None:
    await record.jobs.create(COMPARE)
    claimed_job = record.runs.claim("evaluate", "w")
    assert claimed_job is not None
    lost = claimed_job.model_copy(update={"id": "0123456789abcdef"})
    record.runs.restore(lost)
    found = await record.jobs.get(lost.id)
    assert (found.kind, found.evaluation, found.version) == ("evaluate", COMPARE.evaluation, 3)


async def test_a_finished_sampling_tells_the_length_and_digest_of_its_file(record: Record) -> None:
    job, _ = await record.jobs.create(DRAW)
    record.runs.claim("sample", "w")
    assert record.runs.deliver(job.id, 1, 144, "00ff")
    assert record.runs.deliver(job.id, 1, 144, "00ff")  # told twice
    done = await record.jobs.get(job.id)
    assert (done.state, done.version, done.file_bytes, done.file_sha256) == (State.SUCCEEDED, 3, 144, "00ff")
    last = (await collect(record.jobs.watch(job.id, after="0")))[-1]
    assert Job.model_validate(last.data) == done


async def test_a_cancelled_sampling_delivers_no_file(record: Record) -> None:
    job, _ = await record.jobs.create(DRAW)
    record.runs.claim("sample", "w")
    await record.jobs.cancel(job.id)
    assert not record.runs.deliver(job.id, 1, 144, "00ff")
    record.runs.give_back(job.id, 1)
    seen = await record.jobs.get(job.id)
    assert (seen.state, seen.file_bytes) == (State.CANCELLED, None)


async def test_a_failed_job_tells_why(record: Record) -> None:
    job = await claimed(record)
    record.runs.fail(job.id, 1, Fault(type="diverged", detail="lower optimizer.lr"))
    record.runs.fail(job.id, 1, Fault(type="diverged", detail="lower optimizer.lr"))  # told twice
    assert (await record.jobs.get(job.id)).error == Fault(type="diverged", detail="lower optimizer.lr")


async def test_cancelling_a_queued_job_ends_it_at_once(record: Record) -> None:
    job, _ = await record.jobs.create(NEW)
    assert (await record.jobs.cancel(job.id)).state is State.CANCELLED
    assert record.runs.claim("train", "w") is None


async def test_cancelling_a_running_job_reaches_its_runner_with_the_next_beat(record: Record) -> None:
    job = await claimed(record)
    asked = await record.jobs.cancel(job.id)
    assert (asked.state, asked.cancel_requested) == (State.RUNNING, True)
    assert await record.jobs.cancel(job.id) == asked
    assert record.runs.beat(job.id, 1, []) is Wish.CANCEL
    assert record.runs.reserve_version(job.id, 1, 0) is None
    record.runs.give_back(job.id, 1)
    assert (await record.jobs.get(job.id)).state is State.CANCELLED


async def test_cancelling_a_finished_job_changes_nothing(record: Record) -> None:
    job = await claimed(record)
    record.runs.succeed(job.id, 1, 1, {})
    done = await record.jobs.get(job.id)
    assert await record.jobs.cancel(job.id) == done


async def test_it_is_too_late_to_cancel_once_a_version_is_reserved(record: Record) -> None:
    job = await claimed(record)
    assert record.runs.reserve_version(job.id, 1, 0) == 1
    assert (await record.jobs.cancel(job.id)).cancel_requested is False


async def test_a_stale_epoch_is_refused_everything(record: Record) -> None:
    job = await claimed(record)
    record.runs.give_back(job.id, 1)
    record.runs.claim("train", "other")
    for write in (
        lambda: record.runs.beat(job.id, 1, [progress(99)]),
        lambda: record.runs.reserve_version(job.id, 1, 0),
        lambda: record.runs.succeed(job.id, 1, 1, {}),
        lambda: record.runs.deliver(job.id, 1, 1, ""),
        lambda: record.runs.fail(job.id, 1, CRASH),
        lambda: record.runs.lose(job.id, 1, CRASH),
        lambda: record.runs.give_back(job.id, 1),
    ):
        with pytest.raises(Stale):
            write()
    seen = await record.jobs.get(job.id)
    assert (seen.state, seen.epoch, seen.progress.step) == (State.RUNNING, 2, 0)


async def test_a_finished_job_takes_no_more_beats(record: Record) -> None:
    job = await claimed(record)
    record.runs.fail(job.id, 1, CRASH)
    with pytest.raises(Stale):
        record.runs.beat(job.id, 1, [])


async def test_an_expired_lease_queues_the_job_again(record: Record) -> None:
    job = await claimed(record)
    assert record.runs.expire() == []
    record.outlive_the_leases()
    assert record.runs.expire() == [job.id]
    again = record.runs.claim("train", "other")
    assert again is not None
    assert again.epoch == 2


async def test_a_late_beat_revives_a_job_that_nobody_else_claimed(record: Record) -> None:
    job = await claimed(record)
    record.outlive_the_leases()
    record.runs.expire()
    assert (await record.jobs.get(job.id)).state is State.QUEUED
    record.runs.beat(job.id, 1, [progress(5)])
    seen = await record.jobs.get(job.id)
    assert (seen.state, seen.epoch) == (State.RUNNING, 1)
    assert record.runs.claim("train", "other") is None


async def test_a_job_that_is_lost_without_progress_fails_in_the_end(record: Record) -> None:
    job = await claimed(record)
    record.outlive_the_leases()
    record.runs.expire()
    record.runs.claim("train", "w")
    record.outlive_the_leases()
    record.runs.expire()
    seen = await record.jobs.get(job.id)
    assert seen.state is State.FAILED
    assert seen.error is not None
    assert seen.error.type == "lost"


async def test_a_cancelled_job_whose_runner_vanished_ends_with_its_lease(record: Record) -> None:
    job = await claimed(record)
    await record.jobs.cancel(job.id)
    record.outlive_the_leases()
    record.runs.expire()
    assert (await record.jobs.get(job.id)).state is State.CANCELLED


async def test_progress_earns_new_attempts(record: Record) -> None:
    job = await claimed(record)
    for epoch in range(1, 5):
        record.runs.beat(job.id, epoch, [progress(epoch)])
        record.runs.lose(job.id, epoch, CRASH)
        assert record.runs.claim("train", "w") is not None
    record.runs.lose(job.id, 5, CRASH)
    record.runs.claim("train", "w")
    record.runs.lose(job.id, 6, CRASH)
    assert (await record.jobs.get(job.id)).error == CRASH


async def test_waiting_jobs_are_announced_again_but_not_at_once(record: Record) -> None:
    job, _ = await record.jobs.create(NEW)
    assert record.runs.unannounced(600) == []
    record.runs.claim("train", "w")
    record.runs.give_back(job.id, 1)
    assert record.runs.unannounced(600) == [job.id]
    assert record.runs.unannounced(600) == []


async def test_versions_are_reserved_once_for_a_job_and_never_again(record: Record) -> None:
    first = await claimed(record)
    assert record.runs.reserve_version(first.id, 1, 4) == 5
    record.runs.give_back(first.id, 1)
    record.runs.claim("train", "w")
    assert record.runs.reserve_version(first.id, 2, 9) == 5
    second = await claimed(record)
    assert record.runs.reserve_version(second.id, 1, 0) == 6


async def test_a_watch_tells_everything_in_order_and_ends_with_the_final_state(record: Record) -> None:
    job = await claimed(record)
    watching = asyncio.create_task(collect(record.jobs.watch(job.id, after="0")))
    record.runs.beat(job.id, 1, [progress(1), Update("log", {"level": "info", "message": "hello"})])
    await asyncio.sleep(0)
    record.runs.succeed(job.id, 1, 1, {})
    events = await asyncio.wait_for(watching, 10)
    assert [event.kind for event in events] == ["state", "state", "progress", "log", "state"]
    assert states(events) == ["queued", "running", "succeeded"]
    assert events[2].data["losses"] == {"kl_nats": 0.5}
    assert events[3].data == {"level": "info", "message": "hello"}
    assert Job.model_validate(events[-1].data) == await record.jobs.get(job.id)


async def test_a_watch_resumes_after_an_event(record: Record) -> None:
    job = await claimed(record)
    record.runs.succeed(job.id, 1, 1, {})
    events = await collect(record.jobs.watch(job.id, after="0"))
    for position, event in enumerate(events):
        rest = await asyncio.wait_for(collect(record.jobs.watch(job.id, after=event.id)), 2)
        assert rest == events[position + 1 :]


async def test_an_id_that_names_another_key_is_not_found(record: Record) -> None:
    job = await claimed(record)
    for job_id in (f"{job.id}:events", "", "..", "*", job.id.upper() + "\n"):
        with pytest.raises(NotFound):
            await record.jobs.get(job_id)
        with pytest.raises(NotFound):
            await record.jobs.cancel(job_id)


def test_of_200_racing_claims_one_wins(redis_url: str) -> None:
    settings = Settings(redis_url=redis_url)
    asyncio.run(_create_one(settings))
    runs = RedisRuns(settings)
    with ThreadPoolExecutor(20) as pool:
        claims = list(pool.map(lambda i: runs.claim("train", f"w{i}"), range(200)))
    runs.close()
    assert [claim.epoch for claim in claims if claim] == [1]


async def test_jobs_are_unavailable_without_redis() -> None:
    settings = Settings(redis_url="unix:///nonexistent/redis.sock")
    jobs, runs = RedisJobs(settings), RedisRuns(settings)
    with pytest.raises(Unavailable, match="Redis") as refusal:
        await jobs.create(NEW)
    assert refusal.value.retry_after_s is not None
    with pytest.raises(Unavailable):
        runs.claim("train", "w")


async def test_a_watch_outlasts_a_restart_of_redis(tmp_path: Path) -> None:
    server, url = redis_server.start(tmp_path)
    settings = Settings(redis_url=url)
    jobs, runs = RedisJobs(settings), RedisRuns(settings)
    job, _ = await jobs.create(NEW)
    seen: dict[str, str] = {}

    async def watch() -> None:
        async for event in jobs.watch(job.id, after="0"):
            seen[event.id] = event.data["state"]

    watching = asyncio.create_task(watch())
    async with asyncio.timeout(10):
        while not seen:
            await asyncio.sleep(0.01)
    server.kill()
    server.wait()
    server, _ = redis_server.start(tmp_path)
    runs.claim("train", "w")
    runs.fail(job.id, 1, CRASH)
    await asyncio.wait_for(watching, 10)
    assert list(seen.values()) == ["queued", "running", "failed"]
    await jobs.close()
    runs.close()
    server.terminate()
    server.wait(10)


async def test_the_stream_of_a_long_job_is_capped(redis_url: str) -> None:
    settings = Settings(redis_url=redis_url)
    jobs, runs = RedisJobs(settings), RedisRuns(settings)
    job, _ = await jobs.create(NEW)
    runs.claim("train", "w")
    steps = count(1)
    for _ in range(24):
        runs.beat(job.id, 1, [progress(next(steps)) for _ in range(500)])
    with redis.Redis.from_url(redis_url) as client:
        assert client.xlen(f"pf:job:{job.id}:events") < 11_000
    await jobs.close()
    runs.close()


async def _create_one(settings: Settings) -> Job:
    jobs = RedisJobs(settings)
    job, _ = await jobs.create(NEW)
    await jobs.close()
    return job
