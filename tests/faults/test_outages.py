"""Jobs when a worker or Redis goes away."""

import signal

from pushforward.service.domain.jobs import State
from pushforward.service.jobs.celery_wakeups import CeleryWakeups
from tests.faults.place import Place, trainings_of


async def test_a_killed_worker_takes_its_child_along_and_the_job_resumes_and_ends_once(place: Place) -> None:
    job = await place.create(2000)
    with place.worker() as worker:
        await place.until_checkpointed(job)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        await place.until_childless(job)
    with place.worker():
        done = await place.until(job, State.SUCCEEDED, State.FAILED)
    assert (done.state, done.epoch) == (State.SUCCEEDED, 2)
    assert place.versions() == [(1, job.id)]


async def test_a_worker_told_to_stop_checkpoints_and_leaves_the_job_waiting(place: Place) -> None:
    job = await place.create(10_000_000)
    with place.worker() as worker:
        await place.until_checkpointed(job)
        worker.terminate()
        assert worker.wait(30) == 0
    seen = await place.until(job, State.QUEUED)
    assert seen.progress.step > 0
    assert trainings_of(job) == []


async def test_a_training_goes_on_while_redis_is_killed_and_restarted(place: Place) -> None:
    job = await place.create(2000)
    with place.worker():
        await place.until_checkpointed(job)
        place.kill_redis()
        await place.until_said(f"job {job.id} goes on while Redis does not answer")
        place.start_redis()
        done = await place.until(job, State.SUCCEEDED, State.FAILED)
        assert (done.state, done.epoch) == (State.SUCCEEDED, 1)
        another = await place.create(3)
        await CeleryWakeups(place.settings).wake(another.id)
        await place.until(another, State.SUCCEEDED)
    assert place.versions() == [(1, job.id), (2, another.id)]
