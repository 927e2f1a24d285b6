"""Slots of each kind, with a real Celery worker."""

from pushforward.service.domain.jobs import Sampling, State
from pushforward.service.domain.ports import NewJob
from pushforward.service.jobs.celery_wakeups import CeleryWakeups
from pushforward.service.jobs.redis_record import RedisJobs
from tests.service.models_on_disk import MOONS, put_model

from .place import Place

ENDLESS = 10_000_000


async def test_a_sampling_does_not_wait_behind_trainings_and_trainings_tell_their_place(place: Place) -> None:
    put_model(place.settings.store)
    wakeups, jobs = CeleryWakeups(place.settings), RedisJobs(place.settings)
    with place.worker():
        first = await place.create(ENDLESS)
        await wakeups.wake(first.id)
        await place.until(first, State.RUNNING)
        second = await place.create(5)
        await wakeups.wake(second.id)
        drawing, _ = await jobs.create(NewJob(model="moons", ask=Sampling(model=MOONS, n=100, seed=0)))
        await wakeups.wake(drawing.id, "sample")
        await place.until(drawing, State.SUCCEEDED)
        waiting = await jobs.get(second.id)
        assert (waiting.state, waiting.queue_position, waiting.ahead) == (State.QUEUED, 1, (first.id,))
        await jobs.cancel(first.id)
        await place.until(second, State.SUCCEEDED)
    await jobs.close()
