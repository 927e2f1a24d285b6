"""`service.application.inference`: requests as workers get them, and the results of their replies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushforward.models.data import TwoMoons
from pushforward.models.families.ae import AE
from pushforward.models.families.ae_ot import AEOT
from pushforward.models.families.glann import GLANN
from pushforward.models.families.vae import VAE
from pushforward.models.families.wae import WAE
from pushforward.models.family import Family
from pushforward.models.latents.sampled_priors import MixtureCodes, RingCodes, UniformCodes
from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.application.application import Application
from pushforward.service.application.commands.commands import Encode, Interpolate, Likelihood, Sample
from pushforward.service.application.results import SampleResult
from pushforward.service.domain.errors import Conflict, Failed, Invalid, Unsupported
from pushforward.service.domain.inference import Op, Timing
from pushforward.service.settings import Settings
from tests.apis.fakes import MOONS, application, card
from tests.service.application.conftest import CARDS, Recorded

X = np.zeros(2, np.float32)


async def test_a_request_names_the_version_and_carries_every_option(app: Application, asks: Recorded) -> None:
    asks.arrays = {"log_prob": np.zeros(1)}
    await app.inference.ask(Likelihood(model="moons", x=np.zeros((1, 2))))
    request, _ = asks.requests[0]
    assert (request.model, request.rows, request.options) == ("moons@1", 1, {"k": 64, "refine": 0})


async def test_a_chosen_seed_differs_from_ask_to_ask_and_is_told(app: Application, asks: Recorded) -> None:
    told = [(await app.inference.ask(Sample(model="moons"))).seed for _ in range(8)]
    assert told == [request.seed for request, _ in asks.requests]
    assert len(set(told)) == 8


@pytest.mark.parametrize(("given", "used"), [(None, 5.0), (2.0, 2.0), (60.0, 5.0), (0.0, 0.0)])
async def test_the_shorter_time_limit_holds(app: Application, asks: Recorded, given: float | None, used: float) -> None:
    await app.inference.ask(Sample(model="moons"), timeout_s=given)
    assert asks.requests[0][1] == used


async def test_bits_per_dimension_are_of_levels(app: Application, asks: Recorded) -> None:
    asks.arrays = {"log_prob": np.array([-4 * np.log(2.0)])}
    answer = await app.inference.ask(Likelihood(model="images", x=np.ones((1, 1, 2, 2))))
    assert answer.bits_per_dim is not None
    np.testing.assert_allclose(answer.bits_per_dim, [1.0])  # 4 ln 2 nats over 4 pixels
    assert (await app.inference.ask(Likelihood(model="moons", x=np.ones((1, 2))))).bits_per_dim is None


async def test_a_likelihood_of_counts_has_bits_and_refuses_what_is_no_count(asks: Recorded, tmp_path: Path) -> None:
    family = VAE.model_validate({"likelihood": {"likelihood": "poisson"}})
    cards = [card("clicks", family, DataSpec(shape=(2,), counts=True))]
    app = application(Settings(data_root=tmp_path), cards, asks)
    asks.arrays = {"log_prob": np.array([-4 * np.log(2.0)])}
    answer = await app.inference.ask(Likelihood(model="clicks", x=np.array([[0, 7]])))
    assert answer.bits_per_dim is not None
    assert answer.bits_per_dim.tolist() == [2.0]
    with pytest.raises(Invalid, match=r"holds 2\.5 in row 0, column 1; counts are whole numbers"):
        await app.inference.ask(Likelihood(model="clicks", x=np.array([[1, 2.5]])))
    asks.arrays = {"z": np.zeros((1, 16), np.float32)}
    await app.inference.ask(Encode(model="clicks", x=np.array([[1, 2.5]])))
    with pytest.raises(Invalid, match=r"holds -1 in row 0, column 0; counts are numbers from 0"):
        await app.inference.ask(Encode(model="clicks", x=np.array([[-1, 2]])))


async def test_a_walk_tells_its_ends_by_seed_or_by_row(app: Application, asks: Recorded) -> None:
    await app.inference.ask(Interpolate(model="moons", start_seed=1, end_seed=2))
    await app.inference.ask(Interpolate(model="moons", start=np.zeros(2), end=np.ones(2), path="linear"))
    (by_seed, _), (by_row, _) = asks.requests
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
        await app.inference.ask(Interpolate(model="model", start=np.zeros(2), end=np.ones(2), path=asked))
    assert [request.options["path"] for request, _ in asks.requests] == [path, "slerp"]


async def test_a_model_that_lacks_the_capability_says_what_it_can(app: Application, asks: Recorded) -> None:
    poor = application(app.settings, [card("poor", MOONS, TwoMoons().spec, able=("sample", "decode"))], asks)
    with pytest.raises(Unsupported, match="vae does not answer likelihood; it answers: sample, decode"):
        await poor.inference.ask(Likelihood(model="poor", x=np.zeros((1, 2))))
    assert asks.requests == []


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
        await poor.inference.ask(Interpolate(model="poor", **ends))
    assert asks.requests == []


@pytest.mark.parametrize("change", [{"family": "lost"}, {"run": {"family": {"family": "vae", "lost": 1}}}, {"run": {}}])
async def test_a_model_of_another_release_is_a_conflict(
    app: Application, asks: Recorded, change: dict[str, object]
) -> None:
    old = application(app.settings, [CARDS[0].model_copy(update=change)], asks)
    with pytest.raises(Conflict):
        await old.inference.ask(Sample(model="moons"))


async def test_a_reply_without_its_array_is_a_defect(app: Application, asks: Recorded) -> None:
    asks.arrays = {}
    with pytest.raises(Failed):
        await app.inference.ask(Sample(model="moons"))


async def test_answers_carry_the_timing_of_the_worker(app: Application) -> None:
    answer = await app.inference.ask(Sample(model="moons"))
    assert isinstance(answer, SampleResult)
    assert answer.timing == Timing(linger_ms=0.5, queue_ms=1.0, compute_ms=2.0, total_ms=3.5, batch_rows=3)


async def test_an_ask_waits_no_longer_than_its_deadline(app: Application, asks: Recorded) -> None:
    await app.inference.ask(Sample(model="moons", deadline_ms=1500))
    await app.inference.ask(Sample(model="moons", deadline_ms=1500), timeout_s=1.0)
    await app.inference.ask(Sample(model="moons", deadline_ms=60_000))
    assert [timeout_s for _, timeout_s in asks.requests] == [1.5, 1.0, 5.0]
