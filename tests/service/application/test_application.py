"""`service.application.application`: what it asks of its ports, and what it chooses itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushforward.models.data import TwoMoons
from pushforward.models.families import FAMILIES
from pushforward.models.families.ae import AE
from pushforward.models.families.ae_ot import AEOT
from pushforward.models.families.glann import GLANN
from pushforward.models.families.vae import VAE
from pushforward.models.families.wae import WAE
from pushforward.models.family import Family
from pushforward.models.latents.sampled_priors import MixtureCodes, RingCodes, UniformCodes
from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.application.application import Application
from pushforward.service.application.commands.commands import Interpolate, Likelihood, Sample, Train
from pushforward.service.application.requests.requests import option_types
from pushforward.service.application.results import Samples
from pushforward.service.domain.errors import Conflict, Failed, Invalid, NotFound, Unavailable, Unsupported
from pushforward.service.domain.inference import Op, Preview, Question, Reply, Timing
from pushforward.service.domain.jobs import State
from pushforward.service.settings import Settings
from tests.doors.fakes import MOONS, Wakeups, Workers, application, card

SPEC = DataSpec(shape=(1, 2, 2), low=0, high=16, levels=17, shift=(8.0,), scale=(8.0,))
X = np.zeros(2, np.float32)
CARDS = [card("moons", MOONS, TwoMoons().spec), card("images", MOONS, SPEC)]


@dataclass
class Recorded:
    """`ports.Asks` that keeps the questions and gives one reply."""

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    questions: list[tuple[Question, float]] = field(default_factory=list)

    async def ask(self, question: Question, *, timeout_s: float) -> Reply:
        self.questions.append((question, timeout_s))
        timing = Timing(linger_ms=0.5, queue_ms=1.0, compute_ms=2.0, total_ms=3.5, batch_rows=3)
        return Reply(self.arrays, {"kind": "lower_bound"}, timing)

    async def watch(self, question: Question, *, timeout_s: float) -> AsyncIterator[Preview | Reply]:
        yield await self.ask(question, timeout_s=timeout_s)


@pytest.fixture
def asks() -> Recorded:
    return Recorded({"samples": np.zeros((1, 2), np.float32), "x": np.zeros((8, 2), np.float32)})


@pytest.fixture
def app(asks: Recorded, tmp_path: Path) -> Application:
    return application(Settings(data_root=tmp_path, ask_timeout_s=5.0), CARDS, asks)


async def test_a_question_names_the_version_and_carries_every_option(app: Application, asks: Recorded) -> None:
    asks.arrays = {"log_prob": np.zeros(1)}
    await app.ask(Likelihood(model="moons", x=np.zeros((1, 2))))
    question, _ = asks.questions[0]
    assert (question.model, question.rows, question.options) == ("moons@1", 1, {"k": 64, "refine": 0})


async def test_a_chosen_seed_differs_from_ask_to_ask_and_is_told(app: Application, asks: Recorded) -> None:
    told = [(await app.ask(Sample(model="moons"))).seed for _ in range(8)]
    assert told == [question.seed for question, _ in asks.questions]
    assert len(set(told)) == 8


@pytest.mark.parametrize(("given", "used"), [(None, 5.0), (2.0, 2.0), (60.0, 5.0), (0.0, 0.0)])
async def test_the_shorter_time_limit_holds(app: Application, asks: Recorded, given: float | None, used: float) -> None:
    await app.ask(Sample(model="moons"), timeout_s=given)
    assert asks.questions[0][1] == used


async def test_bits_per_dimension_are_of_levels(app: Application, asks: Recorded) -> None:
    asks.arrays = {"log_prob": np.array([-4 * np.log(2.0)])}
    answer = await app.ask(Likelihood(model="images", x=np.ones((1, 1, 2, 2))))
    assert answer.bits_per_dim is not None
    np.testing.assert_allclose(answer.bits_per_dim, [1.0])  # 4 ln 2 nats over 4 pixels
    assert (await app.ask(Likelihood(model="moons", x=np.ones((1, 2))))).bits_per_dim is None


async def test_a_walk_tells_its_ends_by_seed_or_by_row(app: Application, asks: Recorded) -> None:
    await app.ask(Interpolate(model="moons", start_seed=1, end_seed=2))
    await app.ask(Interpolate(model="moons", start=np.zeros(2), end=np.ones(2), path="linear"))
    (by_seed, _), (by_row, _) = asks.questions
    assert by_seed.options == {"steps": 8, "path": "slerp", "start_seed": 1, "end_seed": 2}
    assert by_row.options == {"steps": 8, "path": "linear"}
    assert {name: row.shape for name, row in by_row.arrays.items()} == {"start": (1, 2), "end": (1, 2)}


@pytest.mark.parametrize(
    ("family", "path"),
    [
        (VAE(), "slerp"),
        (AE(), "linear"),
        (AEOT(), "linear"),
        (GLANN(), "linear"),
        (WAE(), "slerp"),
        (WAE(prior_codes=RingCodes()), "slerp"),
        (WAE(prior_codes=UniformCodes()), "linear"),
        (WAE(prior_codes=MixtureCodes()), "linear"),
    ],
)
async def test_a_walk_goes_where_codes_lie_unless_told(
    app: Application, asks: Recorded, family: Family, path: str
) -> None:
    app = application(app.settings, [card("model", family, TwoMoons().spec)], asks)
    for asked in (None, "slerp"):
        await app.ask(Interpolate(model="model", start=np.zeros(2), end=np.ones(2), path=asked))
    assert [question.options["path"] for question, _ in asks.questions] == [path, "slerp"]


async def test_a_model_that_lacks_the_capability_says_what_it_can(app: Application, asks: Recorded) -> None:
    poor = application(app.settings, [card("poor", MOONS, TwoMoons().spec, able=("sample", "decode"))], asks)
    with pytest.raises(Unsupported, match="vae does not answer likelihood; it answers: sample, decode"):
        await poor.ask(Likelihood(model="poor", x=np.zeros((1, 2))))
    assert asks.questions == []


@pytest.mark.parametrize(
    ("able", "ends", "says"),
    [
        (("encode", "decode", "interpolate"), {"start_seed": 1, "end_seed": 2}, "cannot sample, .* give start and end"),
        (("sample", "decode", "interpolate"), {"start": X, "end": X}, "cannot encode, .* give start_seed and end_seed"),
    ],
)
async def test_a_walk_between_what_a_model_cannot_find_is_refused_unasked(
    app: Application, asks: Recorded, able: tuple[Op, ...], ends: dict[str, Any], says: str
) -> None:
    poor = application(app.settings, [card("poor", MOONS, TwoMoons().spec, able=able)], asks)
    with pytest.raises(Unsupported, match=says):
        await poor.ask(Interpolate(model="poor", **ends))
    assert asks.questions == []


@pytest.mark.parametrize("change", [{"family": "lost"}, {"run": {"family": {"family": "vae", "lost": 1}}}, {"run": {}}])
async def test_a_model_of_another_release_is_a_conflict(
    app: Application, asks: Recorded, change: dict[str, object]
) -> None:
    old = application(app.settings, [CARDS[0].model_copy(update=change)], asks)
    with pytest.raises(Conflict):
        await old.ask(Sample(model="moons"))


async def test_a_reply_without_its_array_is_a_defect(app: Application, asks: Recorded) -> None:
    asks.arrays = {}
    with pytest.raises(Failed):
        await app.ask(Sample(model="moons"))


async def test_answers_carry_the_timing_of_the_worker(app: Application) -> None:
    answer = await app.ask(Sample(model="moons"))
    assert isinstance(answer, Samples)
    assert answer.timing == Timing(linger_ms=0.5, queue_ms=1.0, compute_ms=2.0, total_ms=3.5, batch_rows=3)


async def test_an_ask_waits_no_longer_than_its_deadline(app: Application, asks: Recorded) -> None:
    await app.ask(Sample(model="moons", deadline_ms=1500))
    await app.ask(Sample(model="moons", deadline_ms=1500), timeout_s=1.0)
    await app.ask(Sample(model="moons", deadline_ms=60_000))
    assert [timeout_s for _, timeout_s in asks.questions] == [1.5, 1.0, 5.0]


async def test_a_training_wakes_a_worker_and_is_recorded_with_its_whole_run(app: Application) -> None:
    job = await app.train(Train(model="m", preset="vae-digits"))
    assert isinstance(app.wakeups, Wakeups)
    assert app.wakeups.woken == [job.id]
    assert job.state is State.QUEUED
    assert job.run["optimizer"]["batch_size"] > 0
    assert await app.job(job.id) == job


async def test_an_unknown_preset_names_those_that_are_near(app: Application) -> None:
    with pytest.raises(NotFound, match=r"did you mean vae-digits, .*\? list the presets for all"):
        await app.train(Train(model="m", preset="vae-digit"))
    with pytest.raises(NotFound, match="there is no preset 'xyz'; list the presets"):
        await app.train(Train(model="m", preset="xyz"))


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_of_no_use_is_refused(app: Application, key: str) -> None:
    with pytest.raises(Invalid):
        await app.train(Train(model="m", preset="vae-digits"), idempotency_key=key)


async def test_a_sampling_is_recorded_with_its_version_its_seed_and_every_option(app: Application) -> None:
    job = await app.sample_to_file(Sample(model="moons", n=5))
    assert job.ask is not None
    assert (job.kind, job.model, job.version, job.ask.model, job.ask.n) == ("sample", "moons", 1, "moons@1", 5)
    again = await app.sample_to_file(Sample(model="moons", n=5))
    assert again.ask is not None
    assert again.ask.seed != job.ask.seed


@pytest.mark.parametrize(("rows", "n_bytes", "most"), [(100, 2**30, 100), (10**7, 1600, 100)])
async def test_a_file_has_limits_in_rows_and_bytes(
    app: Application, asks: Recorded, rows: int, n_bytes: int, most: int
) -> None:
    settings = app.settings.model_copy(update={"max_file_rows": rows, "max_file_bytes": n_bytes})
    limited = application(settings, CARDS, asks)
    await limited.sample_to_file(Sample(model="images", n=most))
    with pytest.raises(Invalid, match=f"at most {most} of this model in one file"):
        await limited.sample_to_file(Sample(model="images", n=most + 1))


async def test_a_model_that_cannot_be_sampled_starts_no_sampling(app: Application, asks: Recorded) -> None:
    mute = application(app.settings, [card("mute", MOONS, TwoMoons().spec, able=("encode",))], asks)
    with pytest.raises(Unsupported):
        await mute.sample_to_file(Sample(model="mute", n=5))
    assert (await mute.list_jobs()).jobs == []


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_a_list_has_limits(app: Application, limit: int) -> None:
    with pytest.raises(Invalid):
        await app.list_jobs(limit=limit)


async def test_it_is_ready_with_a_live_worker_only(app: Application) -> None:
    assert len(await app.ready()) == 1
    with pytest.raises(Unavailable):
        await replace(app, workers=Workers(alive=False)).ready()


@pytest.mark.parametrize("family", FAMILIES)
def test_options_with_their_defaults_written_out_are_the_same_options(family: str) -> None:
    for options in option_types(FAMILIES[family]).values():
        assert options.model_validate(options().model_dump(mode="json")) == options()
