"""Every preset trains."""

from itertools import islice
from pathlib import Path

import pytest
import torch

from pushforward.models.presets import PRESETS
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

STEPS = 2
DATA_ROOT_FREE = [name for name, preset in PRESETS.items() if preset.run.data.source != "idx"]


@pytest.mark.parametrize("name", DATA_ROOT_FREE)
def test_a_preset_trains(name: str, tmp_path: Path) -> None:
    run = PRESETS[name].run
    data = load_data(run, tmp_path)
    state = fresh(run, data, torch.device("cpu"))
    for _ in islice(train(data, state), STEPS):
        pass
    assert state.step == STEPS
    assert all(bool(loss.isfinite()) for loss in state.losses.values())
