"""Searches in the record of jobs: Redis and memory pass the same tests."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import redis

from pushforward.service.domain.errors import Conflict, Overloaded
from pushforward.service.domain.jobs import Event, Job, State, Wish
from pushforward.service.domain.ports import NewJob
from pushforward.service.domain.sweeps import NewTrial, SweepRecord, TrialRecord
from pushforward.service.jobs.redis_record import RedisJobs
from pushforward.service.jobs.redis_runs import RedisRuns
from pushforward.service.settings import Settings
from tests.service.jobs.conftest import CRASH, NEW, Record, progress

RATES = (0.1, 0.01)
FIELDS: dict[str, Any] = {"optimizer.lr": [0.1, 0.01]}


def search(n: int = 2, **changes: Any) -> NewJob:
    trials = [NewTrial({"optimizer.lr": RATES[i % 2]}, {"seed": i}) for i in range(n)]
    asked = SweepRecord(method="grid", fields=FIELDS, seed=0)
    return NewJob(**{"model": "moons", "run": {"seed": 1}, "sweep": asked, "trials": trials, "priority": 3, **changes})


def trials_of(job: Job) -> tuple[TrialRecord, ...]:
    assert job.sweep is not None
    return job.sweep.trials


def states(job: Job) -> list[str | None]:
    return [trial.state for trial in trials_of(job)]


def curve(*values: float, best_step: int | None = None, name: str = "loss_nats") -> dict[str, Any]:
    steps = [10 * (i + 1) for i in range(len(values))]
    return {"name": name, "rows": 9, "steps": steps, "values": list(values), "best_step": best_step}


def train(record: Record, version: int, measured: dict[str, Any] | None, **metrics: float) -> None:
    """The first trial that waits, from its start to its end."""
    job = record.runs.claim("train", "w")
    assert job is not None
    assert record.runs.beat(job.id, job.epoch, [progress(100, curve=measured)]) is Wish.GO_ON
    record.runs.succeed(job.id, job.epoch, version, metrics)


async def test_a_search_runs_from_its_creation_and_its_trials_wait_in_their_order(record: Record) -> None:
    job, is_new = await record.jobs.create(search())
    assert is_new
    assert (job.kind, job.state, job.model, job.run, job.priority) == ("sweep", State.RUNNING, "moons", {"seed": 1}, 3)
    assert (job.progress.step, job.progress.total_steps, job.started_at) == (0, 2, job.created_at)
    assert job.sweep is not None
    assert (job.sweep.method, job.sweep.fields, job.sweep.best, job.sweep.score_name) == ("grid", FIELDS, None, None)
    assert [trial.values for trial in job.sweep.trials] == [{"optimizer.lr": 0.1}, {"optimizer.lr": 0.01}]
    for i, trial in enumerate(job.sweep.trials):
        child = await record.jobs.get(trial.job)
        assert (child.kind, child.state, child.part_of, child.priority) == ("train", State.QUEUED, job.id, 3)
        assert (child.run, child.queue_position) == ({"seed": i}, i + 1)
    assert await record.jobs.get(job.id) == job


async def test_no_worker_claims_a_search_or_is_told_of_it_and_its_lease_never_ends(record: Record) -> None:
    job, _ = await record.jobs.create(search())
    assert set(record.runs.unannounced(-1.0)) == {trial.job for trial in trials_of(job)}
    claimed = [record.runs.claim("train", "w") for _ in range(3)]
    assert [each.id for each in claimed if each is not None] == [trial.job for trial in trials_of(job)]
    record.outlive_the_leases()
    assert set(record.runs.expire()) == {trial.job for trial in trials_of(job)}
    assert (await record.jobs.get(job.id)).state is State.RUNNING


async def test_a_list_has_the_search_without_its_trials_below_them(record: Record) -> None:
    job, _ = await record.jobs.create(search())
    page = await record.jobs.list(state=None, model="moons", limit=9)
    assert [each.id for each in page.jobs] == [*(trial.job for trial in reversed(trials_of(job))), job.id]
    assert trials_of(page.jobs[-1]) == ()
    [running] = (await record.jobs.list(state=State.RUNNING, model=None, limit=9)).jobs
    assert running.id == job.id


async def test_all_trials_are_recorded_or_none(record: Record) -> None:
    await record.jobs.create(NEW)
    with pytest.raises(Overloaded, match="the search has 3 trials, and 3 jobs may wait or be paused in all"):
        await record.jobs.create(search(3))
    assert len((await record.jobs.list(state=None, model=None, limit=9)).jobs) == 1
    await record.jobs.create(search(2))
    with pytest.raises(Overloaded, match="3 jobs are waiting or paused"):
        await record.jobs.create(NEW)


async def test_the_same_key_gives_the_same_search(record: Record) -> None:
    keyed = search(idempotency_key="k", fingerprint="a")
    job, _ = await record.jobs.create(keyed)
    assert await record.jobs.create(keyed) == (job, False)
    with pytest.raises(Conflict):
        await record.jobs.create(search(idempotency_key="k", fingerprint="b"))


async def test_a_search_ends_with_its_last_trial_and_tells_the_best(record: Record) -> None:
    job, _ = await record.jobs.create(search())
    train(record, 1, curve(3.0, 2.0, 2.5, best_step=20), sliced_wasserstein_standardized=0.1)
    half = await record.jobs.get(job.id)
    assert (half.state, half.progress.step, half.finished_at) == (State.RUNNING, 1, None)
    train(record, 2, curve(3.0, 1.5), sliced_wasserstein_standardized=0.3)
    done = await record.jobs.get(job.id)
    assert (done.state, done.progress.step, done.progress.total_steps) == (State.SUCCEEDED, 2, 2)
    assert done.finished_at is not None
    assert done.sweep is not None
    first, second = done.sweep.trials
    assert [(each.state, each.version, each.score) for each in (first, second)] == [
        ("succeeded", 1, 2.0),
        ("succeeded", 2, 1.5),
    ]
    assert (done.sweep.score_name, done.sweep.best) == ("loss_nats", second.job)


async def test_trials_without_a_common_loss_are_compared_by_the_distance_of_their_samples(record: Record) -> None:
    job, _ = await record.jobs.create(search(3))
    train(record, 1, curve(3.0), sliced_wasserstein_standardized=0.1)
    train(record, 2, curve(1.0, name="other_nats"), sliced_wasserstein_standardized=0.3)
    train(record, 3, None, sliced_wasserstein_standardized=0.2)
    sweep = (await record.jobs.get(job.id)).sweep
    assert sweep is not None
    assert sweep.score_name == "sliced_wasserstein_standardized"
    assert [trial.score for trial in sweep.trials] == [0.1, 0.3, 0.2]
    assert sweep.best == sweep.trials[0].job


async def test_without_a_finite_score_none_is_best(record: Record) -> None:
    job, _ = await record.jobs.create(search(1))
    train(record, 1, curve(float("nan")))
    sweep = (await record.jobs.get(job.id)).sweep
    assert sweep is not None
    assert (sweep.best, sweep.score_name, sweep.trials[0].score) == (None, None, None)


async def test_a_failed_trial_is_never_best_and_does_not_fail_the_search(record: Record) -> None:
    job, _ = await record.jobs.create(search())
    failing = record.runs.claim("train", "w")
    assert failing is not None
    record.runs.beat(failing.id, failing.epoch, [progress(50, curve=curve(0.5))])
    record.runs.fail(failing.id, failing.epoch, CRASH)
    train(record, 1, curve(3.0))
    done = await record.jobs.get(job.id)
    assert (done.state, states(done), done.error) == (State.SUCCEEDED, ["failed", "succeeded"], None)
    assert done.sweep is not None
    assert ([trial.score for trial in done.sweep.trials], done.sweep.best) == ([0.5, 3.0], done.sweep.trials[1].job)


async def test_where_no_trial_succeeds_the_search_fails(record: Record) -> None:
    job, _ = await record.jobs.create(search())
    for _ in range(2):
        failing = record.runs.claim("train", "w")
        assert failing is not None
        record.runs.fail(failing.id, failing.epoch, CRASH)
    done = await record.jobs.get(job.id)
    assert done.error is not None
    assert (done.state, done.error.type) == (State.FAILED, "no-trial")


async def test_to_cancel_a_search_is_to_cancel_its_trials(record: Record) -> None:
    job, _ = await record.jobs.create(search(3))
    train(record, 1, curve(3.0))
    running = record.runs.claim("train", "w")
    assert running is not None
    ending = await record.jobs.cancel(job.id)
    assert (ending.state, ending.cancel_requested) == (State.RUNNING, True)
    assert states(ending) == ["succeeded", "running", "cancelled"]
    assert record.runs.beat(running.id, running.epoch, []) is Wish.CANCEL
    record.runs.give_back(running.id, running.epoch)
    done = await record.jobs.get(job.id)
    assert (done.state, states(done)) == (State.CANCELLED, ["succeeded", "cancelled", "cancelled"])
    assert done.sweep is not None
    assert done.sweep.best == done.sweep.trials[0].job
    assert await record.jobs.cancel(job.id) == done


async def test_a_search_that_waits_whole_is_cancelled_at_once(record: Record) -> None:
    job, _ = await record.jobs.create(search())
    done = await record.jobs.cancel(job.id)
    assert (done.state, done.cancel_requested, states(done)) == (State.CANCELLED, True, ["cancelled", "cancelled"])


async def test_a_search_whose_trials_are_cancelled_one_by_one_is_cancelled(record: Record) -> None:
    job, _ = await record.jobs.create(search())
    for trial in trials_of(job):
        await record.jobs.cancel(trial.job)
    assert (await record.jobs.get(job.id)).state is State.CANCELLED


async def test_to_pause_a_search_is_to_pause_its_trials_and_it_is_paused_when_all_are(record: Record) -> None:
    job, _ = await record.jobs.create(search())
    running = record.runs.claim("train", "w")
    assert running is not None
    pausing = await record.jobs.pause(job.id)
    assert (pausing.state, states(pausing)) == (State.RUNNING, ["running", "paused"])
    assert record.runs.beat(running.id, running.epoch, []) is Wish.PAUSE
    record.runs.give_back(running.id, running.epoch)
    paused = await record.jobs.get(job.id)
    assert (paused.state, states(paused)) == (State.PAUSED, ["paused", "paused"])
    assert record.runs.claim("train", "w") is None
    resumed = await record.jobs.resume(job.id)
    assert (resumed.state, states(resumed)) == (State.RUNNING, ["queued", "queued"])
    train(record, 1, curve(3.0))
    train(record, 2, curve(2.0))
    assert (await record.jobs.get(job.id)).state is State.SUCCEEDED


async def test_a_paused_search_runs_again_with_the_first_trial_that_is_resumed(record: Record) -> None:
    job, _ = await record.jobs.create(search())
    await record.jobs.pause(job.id)
    assert (await record.jobs.get(job.id)).state is State.PAUSED
    await record.jobs.resume(trials_of(job)[1].job)
    assert (await record.jobs.get(job.id)).state is State.RUNNING
    await record.jobs.pause(trials_of(job)[1].job)
    cancelled = await record.jobs.cancel(job.id)
    assert cancelled.state is State.CANCELLED


async def test_the_events_of_a_search_tell_each_end_and_finish_with_the_last(record: Record) -> None:
    job, _ = await record.jobs.create(search())

    async def watched() -> list[Event]:
        return [event async for event in record.jobs.watch(job.id, after="0")]

    watching = asyncio.create_task(watched())
    train(record, 1, curve(3.0))
    train(record, 2, curve(2.0))
    told = [Job.model_validate(event.data) for event in await asyncio.wait_for(watching, 10)]
    assert [(each.state, each.progress.step) for each in told] == [
        (State.RUNNING, 0),
        (State.RUNNING, 1),
        (State.SUCCEEDED, 2),
    ]


async def test_trials_are_remembered_as_long_as_their_search(redis_url: str) -> None:
    settings = Settings(redis_url=redis_url, keep_jobs_s=100)
    jobs, runs = RedisJobs(settings), RedisRuns(settings)
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        job, _ = await jobs.create(search())
        kept = [f"pf:job:{each}" for each in (job.id, *(trial.job for trial in trials_of(job)))]
        for version in (1, 2):
            assert [client.ttl(key) for key in kept] == [-1, -1, -1]
            trial = runs.claim("train", "w")
            assert trial is not None
            runs.succeed(trial.id, trial.epoch, version, {})
        assert all(0 < client.ttl(key) <= 100 for key in (*kept, f"{kept[0]}:trials"))
        assert client.zrange("pf:sweeps", 0, -1) == []
        client.delete(kept[1])
        done = await jobs.get(job.id)
        assert states(done) == [None, "succeeded"]
        assert trials_of(done)[0].values == {"optimizer.lr": 0.1}
    await jobs.close()
    runs.close()


@pytest.mark.parametrize("damage", ["its record is text", "its record is gone", "the list of trials is text"])
async def test_a_search_ends_though_what_is_kept_of_it_was_damaged(redis_url: str, damage: str) -> None:
    settings = Settings(redis_url=redis_url)
    jobs, runs = RedisJobs(settings), RedisRuns(settings)
    with redis.Redis.from_url(redis_url) as client:
        job, _ = await jobs.create(search())
        train_first = runs.claim("train", "w")
        assert train_first is not None
        broken = trials_of(job)[1].job
        if damage == "its record is gone":
            client.delete(f"pf:job:{broken}")
        elif damage == "its record is text":
            client.set(f"pf:job:{broken}", "x")
        else:
            client.set(f"pf:job:{job.id}:trials", "x")
        runs.succeed(train_first.id, train_first.epoch, 1, {})
        runs.expire()
        done = await jobs.get(job.id)
        assert done.state.is_final
        assert json.loads(done.model_dump_json())["sweep"]["method"] == "grid"
        assert client.zcard("pf:sweeps") == 0
    await jobs.close()
    runs.close()
