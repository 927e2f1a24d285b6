"""Models are trained on sines of random phase and amplitude, and draw sines of their frequency."""

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pushforward.models import Model, load, sample
from pushforward.models.run import Run
from pushforward.models.training.checkpoint import save_model
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

LENGTH, CYCLES = 16, (2, 5)  # of each channel in a window
FAMILIES: dict[str, dict[str, Any]] = {
    "vae": {"family": {"family": "vae", "latent": 6, "width": 8}, "budget": {"steps": 80}},
    "flow_matching": {"family": {"family": "flow_matching", "width": 8}, "budget": {"steps": 80}},
    "diffusion": {"family": {"family": "diffusion", "width": 8}, "budget": {"steps": 80}},
    "gan": {"family": {"family": "gan", "latent": 8, "width": 16}, "budget": {"steps": 150}},
}
OPTIMIZERS = {"gan": {"lr": 2e-3, "batch_size": 32}}


def sines(n: int) -> np.ndarray:
    """(n, 2, L), channels of different units."""
    rng = np.random.default_rng(0)
    phase, amplitude = rng.uniform(0, 2 * np.pi, (n, 2, 1)), rng.uniform(0.5, 1.5, (n, 2, 1))
    angle = 2 * np.pi * np.array(CYCLES)[:, None] * np.arange(LENGTH) / LENGTH
    return amplitude * np.sin(angle + phase) * [[1.0], [100.0]] + [[0.0], [500.0]]


def trained(root: Path, name: str) -> Model:
    """Trained and saved, but not judged, which draws hundreds of samples."""
    np.save(root / "x.npy", sines(400))
    optimizer = OPTIMIZERS.get(name, {"lr": 4e-3, "batch_size": 64})
    data = {"source": "series", "path": "x.npy"}
    run = Run.model_validate({**FAMILIES[name], "optimizer": optimizer, "data": data})
    rows = load_data(run, root)
    state = fresh(run, rows, torch.device("cpu"))
    deque(train(rows, state), maxlen=0)
    (root / "model").mkdir()
    save_model(root / "model", state, {}, rows.fingerprint)
    return load(root / "model")


@pytest.mark.parametrize("name", FAMILIES)
def test_samples_swing_with_the_frequency_of_their_channel(name: str, tmp_path: Path) -> None:
    drawn = sample(trained(tmp_path, name), 64).double().numpy()
    assert drawn.shape == (64, 2, LENGTH)
    power = np.square(np.abs(np.fft.rfft(drawn - drawn.mean(2, keepdims=True)))).mean(0)
    assert power.argmax(1).tolist() == list(CYCLES)
    assert drawn.mean((0, 2)) == pytest.approx([0.0, 500.0], abs=60.0)
    assert 30.0 < drawn[:, 1].std() < 120.0
