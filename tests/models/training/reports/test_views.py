"""`models.training.reports.views`: what an eye sees of a training."""

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch

from pushforward.models.family import Scores
from pushforward.models.noise import Noise
from pushforward.models.run import Run
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.reports import views
from pushforward.models.training.reports.views import Making
from pushforward.models.training.state import TrainingState, fresh

CPU = torch.device("cpu")
T = TypeVar("T")

SMALL_FLOW = {"family": "flow", "n_transforms": 1, "width": 8, "depth": 1}


def begun(folder: Path, family: dict[str, Any], data: dict[str, Any]) -> tuple[TrainingData, TrainingState]:
    run = Run.model_validate({"family": family, "data": data, "budget": {"steps": 4}})
    loaded = load_data(run, folder)
    return loaded, fresh(run, loaded, CPU)


def made(making: Making[T]) -> tuple[T, list[float]]:
    """The view, and the shares that were done on the way."""
    shares = list[float]()
    while True:
        try:
            shares.append(next(making))
        except StopIteration as end:
            return end.value, shares


@pytest.fixture
def moons(tmp_path: Path) -> tuple[TrainingData, TrainingState]:
    return begun(tmp_path, SMALL_FLOW, {"source": "two_moons"})


@pytest.mark.parametrize(
    ("family", "source", "seen"),
    [
        ({"family": "vae", "latent": 2, "width": 8}, {"source": "digits"}, ("samples", "reconstructions")),
        ({"family": "gan", "latent": 2, "width": 8}, {"source": "digits"}, ("samples",)),
        (SMALL_FLOW, {"source": "two_moons"}, ("samples", "density")),
        ({"family": "gan", "latent": 2, "width": 8}, {"source": "two_moons"}, ("samples",)),
        (SMALL_FLOW, {"source": "autoregressive_process"}, ("samples", "reconstructions")),
        (SMALL_FLOW, {"source": "unit_cube", "d": 3}, ()),
    ],
)
def test_what_can_be_seen_depends_on_the_family_and_on_the_data(
    tmp_path: Path, family: dict[str, Any], source: dict[str, Any], seen: tuple[str, ...]
) -> None:
    data, state = begun(tmp_path, family, source)
    assert views.views(state.family, data.spec) == seen


def test_a_table_is_not_drawn(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{i},{i % 3}.5\n" for i in range(60)))
    data, state = begun(tmp_path, SMALL_FLOW, {"source": "table", "path": "t.csv"})
    assert views.views(state.family, data.spec) == ()


def test_the_same_weights_show_the_same_samples(moons: tuple[TrainingData, TrainingState]) -> None:
    first, _ = made(views.samples(*moons))
    again, _ = made(views.samples(*moons))
    assert first.shape == (views.POINTS, 2)
    assert np.array_equal(first, again)


def test_reconstructions_stand_beside_their_rows(tmp_path: Path) -> None:
    data, state = begun(tmp_path, {"family": "vae", "latent": 2, "width": 8}, {"source": "digits"})
    (x, back), _ = made(views.reconstructions(data, state))
    assert np.array_equal(x, data.validation.x[: views.PAIRS].astype(x.dtype))
    assert back.shape == x.shape
    assert not np.array_equal(back, x)


@pytest.mark.parametrize("condition", [None, "label"])
def test_a_density_is_that_of_the_model_of_its_maximum_and_a_mean_over_conditions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, condition: str | None
) -> None:
    monkeypatch.setattr(views, "CELLS", 4)
    data, state = begun(tmp_path, SMALL_FLOW, {"source": "two_moons", "condition": condition})
    shown, _ = made(views.density(data, state))
    assert isinstance(state.family, Scores)
    low, high = views.frame(data)
    middle = [low + (high - low) * (np.array([i, j]) + 0.5) / 4 for j in range(4) for i in range(4)]
    x = torch.tensor(np.array(middle), dtype=torch.float32)
    labels = [0.0, 1.0] if condition else [0.0]
    labeled = data.validation.y[: views.AROUND] if condition and data.validation.y is not None else np.zeros(1)
    p = np.zeros(16)
    for label in labels:
        c = torch.zeros(16, data.spec.condition_size)
        if condition and data.spec.condition is not None:
            c = data.spec.condition.code(torch.full((16, 1), int(label)))
        scored = state.family.log_prob(state.average, x, c, Noise.rows(views.SEED, 16), state.family.curve_options())
        p += scored.value.detach().exp().double().numpy() * (labeled == label).mean()
    assert shown is not None
    assert shown == pytest.approx((p / p.max()).reshape(4, 4)[::-1], rel=1e-3)


def test_a_sampler_of_a_thousand_steps_takes_few_and_tells_how_far_it_is(tmp_path: Path) -> None:
    family = {"family": "diffusion", "width": 8, "depth": 1, "steps": 1000}
    data, state = begun(tmp_path, family, {"source": "two_moons"})
    x, shares = made(views.samples(data, state))
    assert x.shape == (views.POINTS, 2)
    assert shares[0] == 0.0
    assert shares == sorted(shares)
    assert len(shares) <= 13


def test_the_frame_holds_nearly_all_held_out_points(moons: tuple[TrainingData, TrainingState]) -> None:
    data, _ = moons
    low, high = views.frame(data)
    x = data.validation.x
    assert ((x > low) & (x < high)).all(1).mean() > 0.98
    assert (high - low)[0] == pytest.approx((high - low)[1])
