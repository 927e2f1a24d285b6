"""`service.runner.watch.pictures`: when pictures are made, by a clock that the test moves."""

import logging
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from pushforward.models.run import Run
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.reports import views
from pushforward.models.training.state import TrainingState, fresh
from pushforward.service.runner.messages import PictureMessage
from pushforward.service.runner.watch.pictures import LAST_S, MOST, SHARE, Pictures

STEPS = 10_000
VAE = {"family": "vae", "latent": 2, "width": 8, "depth": 1}


class Clock:
    """Stands still but for `slow`: then each look at it takes so long."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slow = 0.0

    def __call__(self) -> float:
        self.now += self.slow
        return self.now


class Watched:
    """A training whose steps pass when the test says so."""

    def __init__(self, folder: Path, family: dict[str, Any], data: dict[str, Any]) -> None:
        run = Run.model_validate({"family": family, "data": data, "budget": {"steps": STEPS}})
        self.data: TrainingData = load_data(run, folder)
        self.state: TrainingState = fresh(run, self.data, torch.device("cpu"))
        self.clock = Clock()
        self.pictures = Pictures(self.data, self.state, self.clock)

    def at(self, seconds: float, step: int, seconds_left: float | None = None) -> list[PictureMessage]:
        self.clock.now = max(seconds, self.clock.now)
        self.state.step = step
        return list(self.pictures.after(self.state, seconds_left))


@pytest.fixture(autouse=True)
def _small_views(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, few in (("CELLS", 4), ("FEW_CELLS", 4), ("POINTS", 8)):
        monkeypatch.setattr(views, name, few)


@pytest.fixture
def moons(tmp_path: Path) -> Watched:
    return Watched(tmp_path, VAE, {"source": "two_moons"})


def test_the_first_pictures_come_after_some_seconds(moons: Watched) -> None:
    assert moons.at(0.5, 10) == []
    first = moons.at(3.0, 20)
    assert [(each.what, each.step) for each in first] == [("samples", 20), ("density", 20)]
    for each in first:
        image = Image.open(BytesIO(b64decode(each.png)))
        assert (image.format, image.size) == ("PNG", (each.width, each.height))


def test_two_pictures_lie_a_second_and_a_share_of_the_steps_apart(moons: Watched) -> None:
    moons.at(3.0, 20)
    assert moons.at(3.5, 2_000) == []  # soon
    assert moons.at(10.0, 20 + STEPS // MOST) == []  # few steps later
    assert len(moons.at(10.0, 20 + STEPS // MOST + 1)) == 2


def test_a_training_has_few_pictures(moons: Watched) -> None:
    n = sum(len(moons.at(float(step), step)) for step in range(3, STEPS, 20))
    assert n <= 2 * MOST


def test_there_are_pictures_of_the_last_step_however_short_the_training(moons: Watched) -> None:
    assert [each.step for each in moons.at(0.01, STEPS)] == [STEPS, STEPS]


def test_all_pictures_cost_a_small_share_of_the_time(moons: Watched) -> None:
    """Each look at the clock takes 10 ms, and a picture some looks."""
    spent = 0.0
    for second in range(3, 2_000):
        moons.clock.slow = 0.0
        moons.clock.now = began = max(float(second), moons.clock.now)
        moons.clock.slow = 0.01
        moons.state.step = second * 5
        if made := list(moons.pictures.after(moons.state, 2_000.0 - second)):
            spent += moons.clock.now - began
            assert made
    assert 0.0 < spent < 1.3 * SHARE * 2_000


def test_a_picture_that_would_take_too_long_is_given_up_and_made_once_it_can_be_afforded(tmp_path: Path) -> None:
    slow = Watched(tmp_path, {"family": "diffusion", "width": 8, "depth": 1}, {"source": "two_moons"})
    slow.clock.slow = 0.5
    assert slow.at(3.0, 20, seconds_left=100.0) == []
    assert slow.clock.now < 20.0
    slow.clock.slow = 0.0
    assert slow.at(30.0, 40, seconds_left=100.0) == []
    assert {each.what for each in slow.at(10_000.0, 5_000, seconds_left=100.0)} == {"samples", "density"}


def test_a_family_whose_picture_fails_trains_on_and_says_so_once(
    moons: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    for name in list(moons.state.average):
        del moons.state.average[name]
    with caplog.at_level(logging.WARNING):
        assert moons.at(3.0, 20) == []
        assert moons.at(100.0, 5_000) == []
    assert sorted(line.split(" can be made")[0] for line in caplog.messages) == [
        "no picture of the density",
        "no picture of the samples",
    ]


def test_the_last_picture_is_left_out_where_it_is_known_to_take_long(moons: Watched) -> None:
    moons.at(1_000.0, 20)
    for kind in moons.pictures._kinds.values():
        kind.takes_s = 100 * LAST_S
    assert moons.at(1_001.0, STEPS) == []
