"""Adam beside PyTorch's own class."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import torch
from torch import Tensor

from pushforward.models.training.compute.adam import AdamW

ROOT = Path(__file__).parents[3]
BETAS, DECAY = (0.5, 0.9), 0.01


def gradients(step: int) -> list[Tensor]:
    rng = torch.Generator().manual_seed(step)
    return [torch.randn(3, 2, generator=rng), torch.randn(5, generator=rng)]


def fresh() -> tuple[list[torch.nn.Parameter], AdamW]:
    weights = [torch.nn.Parameter(each) for each in gradients(-1)]
    return weights, AdamW.of(weights)


def test_it_moves_weights_as_the_class_does_to_the_bit() -> None:
    weights, ours = fresh()
    others = copy.deepcopy(weights)
    theirs = torch.optim.Adam(others, betas=BETAS, weight_decay=DECAY, decoupled_weight_decay=True, fused=True)
    for step in range(5):
        lr = 0.1 / (step + 1)
        ours.step(gradients(step), lr, BETAS, DECAY)
        for weight, gradient in zip(others, gradients(step), strict=True):
            weight.grad = gradient
        theirs.param_groups[0]["lr"] = lr
        theirs.step()
        assert all(map(torch.equal, weights, others))
    for i, weight in enumerate(others):
        remembered = theirs.state[weight]
        assert ours.memory(i).keys() == remembered.keys()
        assert all(torch.equal(ours.memory(i)[name], remembered[name]) for name in remembered)


def test_the_order_of_a_gradient_in_memory_does_not_matter() -> None:
    """The fused kernel reads memory in order, and convolutions may give gradients with channels last."""
    weights, ours = fresh()
    others = copy.deepcopy(weights)
    theirs = AdamW.of(others)
    transposed = [gradients(0)[0].T.contiguous().T, gradients(0)[1]]
    assert transposed[0].stride() != weights[0].stride()
    ours.step(gradients(0), 0.1, BETAS, DECAY)
    theirs.step(transposed, 0.1, BETAS, DECAY)
    assert all(map(torch.equal, weights, others))


def test_what_is_restored_goes_on_to_the_bit() -> None:
    weights, ours = fresh()
    for step in range(3):
        ours.step(gradients(step), 0.1, BETAS, DECAY)
    others = copy.deepcopy(weights)
    restored = AdamW.of(others)
    for i in range(2):
        restored.restore(i, {name: value.clone() for name, value in ours.memory(i).items()})
    ours.step(gradients(3), 0.1, BETAS, DECAY)
    restored.step(gradients(3), 0.1, BETAS, DECAY)
    assert all(map(torch.equal, weights, others))


PROGRAM = """
import sys
from pathlib import Path
import torch
from pushforward.models.evaluation.judgement import judge
from pushforward.models.run import Run
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh
for family in ("vae", "flow", "gan"):
    data = {"source": "two_moons", "n": 200}
    run = Run.model_validate({"family": {"family": family}, "data": data, "budget": {"steps": 1}})
    rows = load_data(run, Path())
    (state,) = train(rows, fresh(run, rows, torch.device("cpu")))
    list(judge(rows, state))
    assert "torch._dynamo" not in sys.modules, family
"""


def test_a_training_imports_no_compiler() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, timeout=150)
