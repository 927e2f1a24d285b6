"""The loop: batches, losses, averages and the numbers at the end."""

from collections.abc import Iterator
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pushforward.models.data import Rows
from pushforward.models.errors import Diverged, InvalidData
from pushforward.models.evaluation.held_out import evaluate
from pushforward.models.losses import Adam, Loss
from pushforward.models.networks import Nets
from pushforward.models.run import Run
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.training.batches import batches
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.loop import average_weights, clipped, descend
from pushforward.models.training.state import TrainingState, fresh

CPU = torch.device("cpu")


def run_of(data: dict[str, Any], **fields: Any) -> Run:
    return Run.model_validate({"family": {"family": "vae", "latent": 2, "width": 8}, "data": data} | fields)


def test_an_epoch_sees_every_training_row_once_in_an_order_of_its_own(run: Run, data: TrainingData) -> None:
    n = len(data.train.x) if isinstance(data.train, Rows) else 0
    per_epoch = -(-n // 32)
    numbered = replace(data, train=Rows(np.arange(n * 64).reshape(n, 1, 8, 8), None))
    state = fresh(run.model_copy(update={"budget": run.budget.model_copy(update={"steps": 2 * per_epoch})}), data, CPU)
    firsts = torch.cat([batch.x[:, 0, 0, 0] for batch in batches(numbered, state)])
    first, second = firsts[:n], firsts[n:]
    assert torch.equal(first.sort().values, second.sort().values)
    assert len(first.unique()) == n
    assert not torch.equal(first, second)


def test_the_batches_of_a_resumed_training_are_those_it_would_have_seen(run: Run, data: TrainingData) -> None:
    state = fresh(run, data, CPU)
    whole = list(batches(data, state))
    state.step = 5
    for resumed, batch in zip(batches(data, state), whole[5:], strict=True):
        assert resumed.step == batch.step
        assert torch.equal(resumed.x, batch.x)
        assert torch.equal(torch.randn(3, generator=resumed.rng), torch.randn(3, generator=batch.rng))


def test_training_and_validation_rows_are_apart(data: TrainingData) -> None:
    assert isinstance(data.train, Rows)
    assert len(data.train.x) + len(data.validation.x) == 1797
    assert len(data.validation.x) == 180
    assert data.train.y is not None


def test_a_toy_of_n_rows_is_fixed_and_one_without_is_drawn_afresh(tmp_path: Path) -> None:
    fixed = load_data(run_of({"source": "two_moons", "n": 100}), tmp_path)
    endless = load_data(run_of({"source": "two_moons"}), tmp_path)
    assert fixed.n_rows == 100
    assert endless.n_rows is None
    state = fresh(run_of({"source": "two_moons"}), endless, CPU)
    a, b = (batch.x for batch, _ in zip(batches(endless, state), range(2), strict=False))
    assert not torch.equal(a, b)
    assert fixed.fingerprint != endless.fingerprint


def test_data_that_cannot_be_read_name_the_field_in_the_run(tmp_path: Path) -> None:
    with pytest.raises(InvalidData) as error:
        load_data(run_of({"source": "npy", "path": "none.npy"}), tmp_path)
    assert error.value.field == "run.data.path"


def two_nets(run: Run) -> TrainingState:
    """One weight in each of two networks."""
    nets = Nets(DataSpec(shape=(1,)), a=nn.Linear(1, 1, bias=False), b=nn.Linear(1, 1, bias=False))
    average = Nets(nets.spec, a=nn.Linear(1, 1, bias=False), b=nn.Linear(1, 1, bias=False)).requires_grad_(False)
    average.load_state_dict(nets.state_dict())
    return TrainingState(run, 0, 8, "", nets, average)


def descend_loss(state: TrainingState, loss: Loss, lr: float) -> None:
    descend(state, loss, torch.autograd.grad(loss.value, state.weights(loss.trains)), lr)


def test_a_loss_moves_only_what_it_trains_even_where_others_feel_it(run: Run) -> None:
    state = two_nets(run)
    before = {name: p.clone() for name, p in state.nets.named_parameters()}
    value = (state.nets["b"](state.nets["a"](torch.ones(1, 1))) - 5).square().sum()
    descend_loss(state, Loss("l", value, ("b",)), 0.1)
    assert torch.equal(before["a.weight"], state.nets["a"].weight)
    assert abs(float((state.nets["b"].weight - before["b.weight"]).detach())) == pytest.approx(0.1, rel=1e-3)
    assert all(p.grad is None for p in state.nets.parameters())


def test_two_losses_of_one_name_share_an_optimizer(run: Run) -> None:
    state = two_nets(run)
    for _ in range(2):
        descend_loss(state, Loss("critic", state.nets["a"](torch.ones(1, 1)).sum(), ("a",)), 0.1)
    adam = state.optimizers["critic"]
    assert len(state.optimizers) == 1
    assert adam.memory(0)["step"] == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_training_before_weights_move(run: Run, value: float) -> None:
    state = two_nets(run)
    before = state.nets["a"].weight.clone()
    with pytest.raises(Diverged, match=r"optimizer\.lr"):
        descend_loss(state, Loss("l", state.nets["a"](torch.ones(1, 1)).sum() * value, ("a",)), 0.1)
    assert torch.equal(before, state.nets["a"].weight)


def test_gradients_are_clipped_by_their_joint_norm_and_left_as_they_are_below_it() -> None:
    gradients = torch.tensor([3.0]), torch.tensor([0.0, 4.0])
    halved, norm = clipped(gradients, 2.5)
    assert halved is not None
    assert norm == 5.0
    assert [gradient.tolist() for gradient in halved] == [[1.5], [0.0, 2.0]]
    assert clipped(gradients, 5.0)[0] is gradients


def test_two_weights_that_share_a_gradient_are_clipped_once() -> None:
    shared = torch.tensor([1.0])
    both, _ = clipped((shared, shared), 0.5**0.5)
    assert both is not None
    assert [gradient.item() for gradient in both] == pytest.approx([0.5, 0.5])


def test_the_norm_of_each_step_is_kept_as_it_was_before_it_was_clipped(run: Run) -> None:
    state = two_nets(run.model_copy(update={"optimizer": run.optimizer.model_copy(update={"clip_norm": 1e-3})}))
    weights = list(state.nets["a"].parameters())
    for scale in (1.0, 3.0):
        value = scale * torch.stack([weight.sum() for weight in weights]).sum()
        descend_loss(state, Loss("l", value, ("a",)), 0.1)
    n = sum(weight.numel() for weight in weights)
    assert list(state.gradient_norms["l"]) == pytest.approx([n**0.5, 3 * n**0.5])


def test_the_average_forgets_the_first_weights(run: Run) -> None:
    """The decay is step / (step + 9) until it reaches its final value, so the first step replaces all but 1/10."""
    state = two_nets(run.model_copy(update={"optimizer": run.optimizer.model_copy(update={"ema": 0.5})}))
    state.average["a"].weight.fill_(0.0)
    with torch.no_grad():
        state.nets["a"].weight.fill_(1.0)
    state.step = 1
    average_weights(state)
    assert state.average["a"].weight.item() == pytest.approx(0.9)
    state.step = 1000
    with torch.no_grad():
        state.nets["a"].weight.fill_(0.0)
    average_weights(state)
    assert state.average["a"].weight.item() == pytest.approx(0.45)


@pytest.mark.parametrize(
    "decay", [{"weight_decay_rows": 50.0}, {"weight_decay": 0.5}, {"weight_decay": 0.2, "weight_decay_rows": 30.0}]
)
def test_weight_decay_shrinks_weights_beside_the_gradient(run: Run, decay: dict[str, float]) -> None:
    """AdamW: w <- (1 - lr (d + k / N)) w - lr sign(g) at the first step."""
    state = two_nets(run.model_copy(update={"optimizer": Adam(**decay)}))
    state.nets.spec = DataSpec(shape=(1,), n_rows=100)
    before = float(state.nets["a"].weight.detach())
    descend_loss(state, Loss("l", state.nets["a"](torch.ones(1, 1)).sum(), ("a",)), 0.1)
    assert float(state.nets["a"].weight.detach()) == pytest.approx((1 - 0.1 * 0.5) * before - 0.1, rel=1e-5)


def test_training_brings_the_loss_down(training: Iterator[TrainingState]) -> None:
    losses = [float(state.losses["negative_elbo_nats"]) for state in training]
    assert len(losses) == 8
    assert losses[-1] < losses[0]


def test_a_state_names_its_terms_with_their_units(training: Iterator[TrainingState]) -> None:
    assert {"negative_elbo_nats", "kl_nats"} <= next(training).losses.keys()


def test_training_leaves_the_global_generator_alone(run: Run, data: TrainingData) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    fresh(run, data, CPU)
    assert torch.equal(before, torch.get_rng_state())


def test_bits_follow_from_the_nats_of_an_evaluation(training: Iterator[TrainingState], data: TrainingData) -> None:
    state = list(training)[-1]
    metrics = evaluate(data, state)
    nats = metrics["validation_log_prob_nats_lower_bound"]
    assert 1 <= metrics["validation_rows_scored"] <= 180
    bits = [value for name, value in metrics.items() if name.startswith("validation_bits_per_dim")]
    assert all(value == pytest.approx(-nats / (64 * log(2))) for value in bits)
    assert metrics["validation_rmse"] > 0
    assert metrics["sliced_wasserstein"] > 0
    assert "modes_found" not in metrics


def test_modes_are_counted_where_data_have_modes(tmp_path: Path) -> None:
    run = run_of(
        {"source": "eight_gaussians"}, family={"family": "vae", "width": 8, "likelihood": {"likelihood": "gaussian"}}
    )
    data = load_data(run, tmp_path)
    few = replace(data, validation=Rows(data.validation.x[:50], None))
    metrics = evaluate(few, fresh(run, data, CPU))
    assert 0 <= metrics["modes_found"] <= 8
    assert 0 <= metrics["high_quality_share"] <= 1
