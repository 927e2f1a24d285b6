"""How many threads compute changes what is trained by rounding, and resuming with the same number by nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest
import torch

from pushforward.models.run import Run
from pushforward.models.training.checkpoint import latest_state, save_state
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import TrainingState, fresh

CPU = torch.device("cpu")
RUN = Run.model_validate({
    "family": {"family": "flow", "n_transforms": 2},
    "data": {"source": "two_moons", "n": 4000},
    "optimizer": {"batch_size": 2048, "lr": 1e-3},
    "budget": {"steps": 6},
})  # fmt: skip


@contextmanager
def threads(n: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    return load_data(RUN, tmp_path_factory.mktemp("none"))


def trained(data: TrainingData, state: TrainingState) -> list[torch.Tensor]:
    for _ in train(data, state):
        pass
    return list(state.average.state_dict().values())


def test_another_number_of_threads_changes_weights_by_rounding(data: TrainingData) -> None:
    with threads(1):
        one = trained(data, fresh(RUN, data, CPU))
    with threads(4):
        four = trained(data, fresh(RUN, data, CPU))
    for a, b in zip(one, four, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_with_several_threads_too_resuming_is_bit_for_bit(data: TrainingData, tmp_path: Path) -> None:
    with threads(4):
        whole = trained(data, fresh(RUN, data, CPU))
        half = fresh(RUN, data, CPU)
        for _ in islice(train(data, half), 3):
            pass
        save_state(tmp_path, half)
        resumed = latest_state(tmp_path, data, RUN, CPU)
        assert resumed is not None
        assert all(torch.equal(a, b) for a, b in zip(whole, trained(data, resumed), strict=True))
