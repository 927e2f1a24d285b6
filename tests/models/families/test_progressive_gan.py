"""Progressive growing as a GAN trains: phases, resumption in each, conditions, and what is served."""

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pushforward.models.config.config import Options
from pushforward.models.errors import InvalidData
from pushforward.models.families.gan import GAN
from pushforward.models.noise import Noise
from pushforward.models.run import Run
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import sample
from pushforward.models.training.checkpoint import latest_state, save_state
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import TrainingState, fresh

CPU = torch.device("cpu")
STEPS = 8  # 4 trains for two steps, 8 fades in for two, 8 trains for four
PAPER = [
    {"regularizer": "gradient_penalty"},
    {"regularizer": "drift"},
    {"regularizer": "minibatch_deviation"},
]


def run(condition: str | None = None, **family: Any) -> Run:
    """A run on digits of the paper's game, tiny."""
    return Run.model_validate({
        "family": {
            "family": "gan", "latent": 3, "width": 4, "network": {"network": "progressive"},
            "game": {"game": "wasserstein"}, "regularizers": PAPER, **family,
        },
        "data": {"source": "digits", "condition": condition},
        "optimizer": {"batch_size": 16},
        "budget": {"steps": STEPS},
    })  # fmt: skip


def started(run: Run, tmp_path: Path) -> tuple[TrainingData, TrainingState]:
    data = load_data(run, tmp_path)
    return data, fresh(run, data, CPU)


def everything(state: TrainingState) -> dict[str, Tensor]:
    """All that a training moves, by name."""
    found = {f"nets.{k}": v for k, v in state.nets.state_dict().items()}
    found |= {f"average.{k}": v for k, v in state.average.state_dict().items()}
    for loss, adam in state.optimizers.items():
        found |= {f"{loss}.{i}.{k}": v for i in range(len(adam.weights)) for k, v in adam.memory(i).items()}
    return found


def test_each_side_has_losses_and_optimizers_of_its_own(tmp_path: Path) -> None:
    data, state = started(run(), tmp_path)
    names = [tuple(state.losses) for state in train(data, state)]
    assert names == [("critic_4", "generator_4")] * 2 + [("critic_8", "generator_8")] * 6
    assert set(state.optimizers) == {name for step in names for name in step}


def test_a_side_that_is_not_there_yet_does_not_move(tmp_path: Path) -> None:
    data, state = started(run(), tmp_path)
    before = {name: weight.clone() for name, weight in state.nets.named_parameters()}
    for _ in islice(train(data, state), 2):
        pass
    moved = {name for name, weight in state.nets.named_parameters() if not torch.equal(weight, before[name])}
    assert any("generator.blocks.4" in name for name in moved)
    assert any("critic.body.colors.4" in name for name in moved)
    assert not any(".8." in name for name in moved)


@pytest.mark.parametrize("stopped", range(1, STEPS))
def test_a_training_resumes_in_any_phase_bit_for_bit(stopped: int, tmp_path: Path) -> None:
    """T55."""
    data, whole = started(run(), tmp_path)
    for _ in train(data, whole):
        pass
    _, part = started(run(), tmp_path)
    for _ in islice(train(data, part), stopped):
        pass
    save_state(tmp_path / "states", part)
    resumed = latest_state(tmp_path / "states", data, part.run, CPU)
    assert resumed is not None
    for _ in train(data, resumed):
        pass
    ours, theirs = everything(resumed), everything(whole)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def test_the_whole_network_is_served_in_every_phase(tmp_path: Path) -> None:
    """Samples at full size, and the same whatever the training networks compute meanwhile."""
    data, state = started(run(), tmp_path)
    for _ in train(data, state):
        assert isinstance(state.run.family, GAN)
        x = sample(state.run.family.sampler(state.served, Options()), Noise.rows(0, 3))
        assert x.shape == (3, *data.spec.shape)


@pytest.mark.parametrize("way", ["concatenation", "projection", "classifier"])
def test_a_condition_is_told_to_networks_that_grow(way: str, tmp_path: Path) -> None:
    data, state = started(run("label", conditioned_by=way), tmp_path)
    for _ in train(data, state):
        pass
    family, condition = state.run.family, data.spec.condition
    assert isinstance(family, GAN)
    assert condition is not None
    c = condition.code(torch.tensor([[0.0], [1.0]]))
    noise = Noise.rows(0, 2)
    told, otherwise = (sample(family.sampler(state.served, Options()), noise, each) for each in (c, c.flip(0)))
    assert told.shape == (2, *data.spec.shape)
    assert not torch.equal(told, otherwise)


@pytest.mark.parametrize(
    ("game", "regularizers"),
    [
        ("non_saturating", None),
        ("hinge", [{"regularizer": "spectral_norm"}]),
        ("began", None),
        ("relativistic_average", [{"regularizer": "packing"}, {"regularizer": "instance_noise"}]),
        ("wasserstein", [{"regularizer": "weight_clipping"}, {"regularizer": "historical_averaging"}]),
        ("least_squares", [{"regularizer": "unrolled", "steps": 2}]),
    ],
)
def test_any_game_and_regularizer_grow(game: str, regularizers: Any, tmp_path: Path) -> None:
    data, state = started(run(game={"game": game}, regularizers=regularizers), tmp_path)
    for _ in train(data, state):
        assert all(loss.isfinite() for loss in state.losses.values())


def test_vectors_do_not_grow() -> None:
    with pytest.raises(InvalidData, match="choose the network mlp"):
        GAN(network={"network": "progressive"}).check(DataSpec(shape=(2,)))  # type: ignore[arg-type]
