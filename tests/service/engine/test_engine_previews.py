"""Samples on their way from noise to data."""

from pathlib import Path

import pytest
import torch

from pushforward.models.noise import Noise
from pushforward.models.stepwise.sampling import no_condition
from pushforward.models.storage.model import load_model
from pushforward.service.domain.inference import InferenceRequest
from pushforward.service.engine.costs import FIRST_CAP
from pushforward.service.engine.engine import Engine
from pushforward.service.engine.model_cache import ModelCache
from tests.service.engine.engines import CPU, asked, begin, close_to, ticket, until_idle
from tests.service.models_on_disk import MOONS, STEPS, put_model, put_steps

OPTIONS = {"sampler": "ddim", "steps": 10, "eta": 1.0}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    torch.set_num_threads(1)
    put_model(tmp_path)
    put_steps(tmp_path)
    return Engine(ModelCache(tmp_path, CPU, 2**30), CPU)


@torch.no_grad()
def frames(store: Path, request: InferenceRequest) -> list[torch.Tensor]:
    """The library's rows after each step."""
    model = load_model(store / "steps" / "1", CPU)
    sampler = model.family.sampler(model.nets, model.family.SampleOptions.model_validate(dict(request.options)))
    noise = Noise.rows(request.seed, request.rows)
    states = [sampler.init((no_condition(noise),), noise)]
    for k in range(sampler.steps):
        states.append(sampler.step(states[-1], torch.full((request.rows,), k), noise))
    return [sampler.finish(state, noise) for state in states]


@pytest.mark.parametrize("rows", [3, FIRST_CAP + 5])
def test_previews_come_at_every_so_many_steps_but_not_at_the_last(engine: Engine, tmp_path: Path, rows: int):
    shown = ticket(InferenceRequest(STEPS, "sample", rows, 1, OPTIONS, preview_every=5))
    done = asked(engine, [shown])
    assert [(each, preview.step, preview.steps) for each, preview in done.previews] == [(shown, 5, 10)]
    expected = frames(tmp_path, shown.request)
    close_to(done.previews[0][1].arrays["samples"], expected[5].numpy())
    close_to(shown.arrays["samples"], expected[10].numpy())


def test_each_gets_its_own_and_who_wants_none_gets_none(engine: Engine, tmp_path: Path):
    often, seldom, never = (
        ticket(InferenceRequest(STEPS, "sample", n, n, OPTIONS, preview_every=every))
        for n, every in ((2, 3), (1, 4), (3, 0))
    )
    begin(engine, never, often)
    engine.turn()
    engine.add([seldom])
    done = until_idle(engine)
    steps = [(each.request.preview_every, preview.step) for each, preview in done.previews]
    assert sorted(steps) == [(3, 3), (3, 6), (3, 9), (4, 4), (4, 8)]
    for each, preview in done.previews:
        close_to(preview.arrays["samples"], frames(tmp_path, each.request)[preview.step].numpy())


def test_a_family_of_one_step_has_nothing_to_show(engine: Engine):
    assert asked(engine, [ticket(InferenceRequest(MOONS, "sample", 3, 1, preview_every=1))]).previews == []
