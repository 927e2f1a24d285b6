"""Diffusion, flow matching and GANs of a csv file, from the run to the model that is read back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pushforward.models.evaluation.held_out import evaluate
from pushforward.models.family import Samples
from pushforward.models.noise import Noise
from pushforward.models.run import Run
from pushforward.models.stepwise.sampling import sample
from pushforward.models.storage.model import load_model
from pushforward.models.training.checkpoint import latest_state, save_model, save_state
from pushforward.models.training.data import conditions, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

CPU = torch.device("cpu")
FAMILIES: list[dict[str, Any]] = [
    {"family": "diffusion", "width": 8, "steps": 20},
    {"family": "flow_matching", "width": 8},
    {"family": "gan", "width": 8, "depth": 1, "regularizers": [{"regularizer": "packing", "rows": 10}]},
]


def write_csv(path: Path) -> None:
    rng = np.random.default_rng(0)
    kind = rng.choice(["oak", "ash"], 120)
    height = np.where(rng.random(120) < 0.2, "", np.char.mod("%.6f", rng.normal(3, 1, 120)))
    lines = [f"{k},{h},{n}" for k, h, n in zip(kind, height, rng.integers(0, 400, 120), strict=True)]
    path.write_text("\n".join(["kind,height,leaves", *lines]))


@pytest.mark.parametrize("condition", [None, {"columns": ["kind"]}], ids=["whole", "given-kind"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family["family"])
def test_a_file_is_trained_on_resumed_judged_and_drawn_from(
    family: dict[str, Any], condition: dict[str, Any] | None, tmp_path: Path
) -> None:
    write_csv(tmp_path / "trees.csv")
    source = {"source": "table", "path": "trees.csv", "condition": condition}
    run = Run.model_validate({"family": family, "data": source, "budget": {"steps": 4}})
    data = load_data(run, tmp_path)
    state, states = fresh(run, data, CPU), tmp_path / "states"
    for _ in train(data, state):
        if state.step == 2:
            save_state(states, state)
    resumed = latest_state(states, data, run, CPU)
    assert resumed is not None
    assert resumed.step == 2
    for _ in train(data, resumed):
        pass
    for name, weights in state.nets.state_dict().items():
        torch.testing.assert_close(resumed.nets.state_dict()[name], weights, rtol=0, atol=0)

    metrics = evaluate(data, state)
    assert metrics["samples_not_finite"] == 0
    model = tmp_path / "model"
    model.mkdir()
    save_model(model, state, metrics, data.fingerprint)
    read = load_model(model, CPU)
    assert isinstance(read.family, Samples)
    told = conditions(data, data.validation, CPU)[:1].expand(50, -1)
    x = sample(read.family.sampler(read.nets, read.family.SampleOptions()), Noise.rows(0, 50), told)
    assert data.spec.table is not None
    data.spec.table.check(x.numpy())
