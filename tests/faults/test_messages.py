"""Jobs when messages are lost, doubled or foreign."""

import redis

from pushforward.service.domain.jobs import State
from pushforward.service.jobs.celery_wakeups import CeleryWakeups
from tests.faults.place import Place


async def test_a_job_whose_wakeup_was_lost_is_found_and_trained(place: Place) -> None:
    job = await place.create(20)
    with place.worker():
        done = await place.until(job, State.SUCCEEDED, State.FAILED)
    assert (done.state, done.epoch) == (State.SUCCEEDED, 1)
    assert place.versions() == [(1, job.id)]


async def test_many_wakeups_train_a_job_once(place: Place) -> None:
    job = await place.create(20)
    wakeups = CeleryWakeups(place.settings)
    for _ in range(5):
        await wakeups.wake(job.id)
    with place.worker():
        await place.until(job, State.SUCCEEDED, State.FAILED)
        await place.until_all_told()
    done = await place.until(job, State.SUCCEEDED, State.FAILED)
    assert (done.state, done.epoch) == (State.SUCCEEDED, 1)
    assert place.versions() == [(1, job.id)]


async def test_a_foreign_message_on_the_queue_does_not_stop_other_jobs(place: Place) -> None:
    job = await place.create(3)
    with redis.Redis.from_url(place.settings.redis_url) as client:
        client.lpush("pf:train", '{"body": "e30=", "headers": {}, "properties": {}}')
    with place.worker():
        done = await place.until(job, State.SUCCEEDED, State.FAILED)
    assert done.state is State.SUCCEEDED
