"""What the laboratory's tests share: one thread, because many tests share the machine, and a tiny trained model."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from pushforward.models.run import Run
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import TrainingState, fresh


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _the_same_initial_weights_in_any_order() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def run() -> Run:
    """A VAE on digits, tiny, eight steps."""
    return Run.model_validate({
        "family": {"family": "vae", "latent": 2, "width": 8},
        "data": {"source": "digits"},
        "optimizer": {"batch_size": 32},
        "budget": {"steps": 8},
    })  # fmt: skip


@pytest.fixture
def data(run: Run, tmp_path: Path) -> TrainingData:
    return load_data(run, tmp_path)


@pytest.fixture
def training(run: Run, data: TrainingData) -> Iterator[TrainingState]:
    """The same state after each of its steps."""
    return train(data, fresh(run, data, torch.device("cpu")))
