"""`service.application.jobs`: what a job records, and what starts none."""

from __future__ import annotations

import pytest

from pushforward.models.data import TwoMoons
from pushforward.service.application.application import Application
from pushforward.service.application.commands.commands import Sample, TrainModel
from pushforward.service.domain.errors import Conflict, Invalid, NotFound, Unsupported
from pushforward.service.domain.jobs import State
from pushforward.service.jobs.memory_record import MemoryJobs
from tests.apis.fakes import MOONS, Wakeups, application, card
from tests.service.application.conftest import CARDS, Recorded


async def test_a_training_wakes_a_worker_and_is_recorded_with_its_whole_run(app: Application) -> None:
    job = await app.jobs.train(TrainModel(model="m", preset="vae-digits"))
    assert isinstance(app.jobs.wakeups, Wakeups)
    assert app.jobs.wakeups.woken == [job.id]
    assert job.state is State.QUEUED
    assert job.run["optimizer"]["batch_size"] > 0
    assert await app.jobs.get(job.id) == job


async def test_an_unknown_preset_names_those_that_are_near(app: Application) -> None:
    with pytest.raises(NotFound, match=r"did you mean vae-digits, .*\? list the presets for all"):
        await app.jobs.train(TrainModel(model="m", preset="vae-digit"))
    with pytest.raises(NotFound, match="there is no preset 'xyz'; list the presets"):
        await app.jobs.train(TrainModel(model="m", preset="xyz"))


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_of_no_use_is_refused(app: Application, key: str) -> None:
    with pytest.raises(Invalid):
        await app.jobs.train(TrainModel(model="m", preset="vae-digits"), idempotency_key=key)


async def test_a_sampling_is_recorded_with_its_version_its_seed_and_every_option(app: Application) -> None:
    job = await app.jobs.sample(Sample(model="moons", n=5))
    assert job.ask is not None
    assert (job.kind, job.model, job.version, job.ask.model, job.ask.n) == ("sample", "moons", 1, "moons@1", 5)
    again = await app.jobs.sample(Sample(model="moons", n=5))
    assert again.ask is not None
    assert again.ask.seed != job.ask.seed


@pytest.mark.parametrize(("rows", "n_bytes", "most"), [(100, 2**30, 100), (10**7, 1600, 100)])
async def test_a_file_has_limits_in_rows_and_bytes(
    app: Application, asks: Recorded, rows: int, n_bytes: int, most: int
) -> None:
    settings = app.settings.model_copy(update={"max_file_rows": rows, "max_file_bytes": n_bytes})
    limited = application(settings, CARDS, asks)
    await limited.jobs.sample(Sample(model="images", n=most))
    with pytest.raises(Invalid, match=f"at most {most} of this model in one file"):
        await limited.jobs.sample(Sample(model="images", n=most + 1))


async def test_a_model_that_cannot_be_sampled_starts_no_sampling(app: Application, asks: Recorded) -> None:
    mute = application(app.settings, [card("mute", MOONS, TwoMoons().spec, able=("encode",))], asks)
    with pytest.raises(Unsupported):
        await mute.jobs.sample(Sample(model="mute", n=5))
    assert (await mute.jobs.list()).jobs == []


async def test_a_resumed_job_wakes_a_worker(app: Application) -> None:
    job = await app.jobs.train(TrainModel(model="m", preset="vae-digits"))
    await app.jobs.pause(job.id)
    assert (await app.jobs.resume(job.id)).state is State.QUEUED
    assert isinstance(app.jobs.wakeups, Wakeups)
    assert app.jobs.wakeups.woken == [job.id, job.id]


async def test_a_job_that_is_over_or_ending_is_neither_paused_nor_resumed(app: Application) -> None:
    over, ending = [await app.jobs.train(TrainModel(model="m", preset="vae-digits")) for _ in range(2)]
    assert isinstance(app.jobs.record, MemoryJobs)
    assert app.jobs.record.claim("train", "w")
    assert app.jobs.record.claim("train", "w")
    app.jobs.record.succeed(over.id, 1, 1, {})
    await app.jobs.cancel(ending.id)
    for change, what in ((app.jobs.pause, "paused"), (app.jobs.resume, "resumed")):
        with pytest.raises(Conflict, match=f"job {over.id} succeeded; it cannot be {what}"):
            await change(over.id)
        with pytest.raises(Conflict, match=f"job {ending.id} is being cancelled; it cannot be {what}"):
            await change(ending.id)


async def test_a_paused_sampling_has_no_file_yet(app: Application) -> None:
    job = await app.jobs.sample(Sample(model="moons", n=5))
    await app.jobs.pause(job.id)
    with pytest.raises(Conflict, match="is paused; resume it, and wait for its end"):
        await app.jobs.file(job.id)


async def test_a_key_with_another_priority_is_another_request(app: Application) -> None:
    command = TrainModel(model="m", preset="vae-digits")
    await app.jobs.train(command, idempotency_key="k")
    with pytest.raises(Conflict):
        await app.jobs.train(command.model_copy(update={"priority": 1}), idempotency_key="k")


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_a_list_has_limits(app: Application, limit: int) -> None:
    with pytest.raises(Invalid):
        await app.jobs.list(limit=limit)
