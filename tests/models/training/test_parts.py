"""A batch in parts: the same step as in one, with the memory of a part."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pushforward.models.losses import Batch
from pushforward.models.run import Run
from pushforward.models.training import parts
from pushforward.models.training.checkpoint import latest_state, save_state
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.loop import batches, train
from pushforward.models.training.state import TrainingState, fresh

CPU = torch.device("cpu")
FLOW = {"family": "flow", "width": 8, "depth": 2}
AUTOREGRESSIVE = {"family": "autoregressive", "network": {"network": "made", "width": 64}}
GAN = {"family": "gan", "width": 8, "latent": 2}
VAE = {"family": "vae", "width": 8, "latent": 2, "likelihood": {"likelihood": "gaussian"}}


MOONS = {"source": "two_moons", "n": 70}  # epochs of three batches, the last of six rows


def run_of(
    family: dict[str, Any], accumulate: int, batch_size: int = 32, steps: int = 20, data: dict[str, Any] = MOONS
) -> Run:
    return Run.model_validate({
        "family": family,
        "data": data,
        "optimizer": {"batch_size": batch_size, "accumulate": accumulate},
        "budget": {"steps": steps},
    })  # fmt: skip


def began(run: Run, root: Path) -> tuple[TrainingData, TrainingState]:
    data = load_data(run, root)
    return data, fresh(run, data, CPU)


def trained(run: Run, root: Path) -> tuple[TrainingState, list[dict[str, float]]]:
    """The last state, and the losses of each step."""
    data, state = began(run, root)
    told = [{name: float(value) for name, value in each.losses.items()} for each in train(data, state)]
    return state, told


def first_batch(data: TrainingData, state: TrainingState) -> Batch:
    return next(batches(data, state))


def weights(state: TrainingState) -> Tensor:
    return torch.cat([p.detach().flatten() for p in state.nets.parameters()])


@pytest.mark.parametrize(
    ("family", "data", "k"),
    [(FLOW, MOONS, 5), (FLOW, MOONS, 32), (AUTOREGRESSIVE, {"source": "digits"}, 3)],
    ids=["flow-5", "flow-32", "autoregressive-3"],
)
def test_parts_train_as_the_whole_batch_does_where_losses_draw_nothing(
    family: dict[str, Any], data: dict[str, Any], k: int, tmp_path: Path
) -> None:
    """The last batch of an epoch of moons has six rows: fewer than 32 parts."""
    whole, told_by_whole = trained(run_of(family, 1, data=data), tmp_path)
    in_parts, told_by_parts = trained(run_of(family, k, data=data), tmp_path)
    assert torch.allclose(weights(in_parts), weights(whole), atol=2e-5)
    assert not torch.equal(weights(in_parts), weights(whole))
    for mine, theirs in zip(told_by_parts, told_by_whole, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-4)


@pytest.mark.parametrize("family", [VAE, GAN], ids=lambda family: family["family"])
def test_the_gradient_is_the_mean_of_the_parts_by_their_rows(family: dict[str, Any], tmp_path: Path) -> None:
    """33 rows in 4 parts: 8, 8, 8 and 9."""
    data, state = began(run_of(family, 4, batch_size=33), tmp_path)
    batch = first_batch(data, state)
    each = parts.parts_of(batch, state.run.seed, 4)
    assert [len(part.batch.x) for part in each] == [8, 8, 8, 9]
    value, gradients = torch.zeros(()), [torch.zeros(1)]
    for part in each:
        loss = next(iter(state.family.losses(state.nets, part.batch)))
        value = value + len(part.batch.x) / 33 * loss.value.detach()
        of_part = torch.autograd.grad(loss.value, state.weights(loss.trains))
        gradients = [
            len(part.batch.x) / 33 * g + (gradients[i] if part is not each[0] else 0) for i, g in enumerate(of_part)
        ]
    summed, of_all = next(parts.losses(state, batch))
    assert summed.value == pytest.approx(float(value), rel=1e-6)
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(of_all, gradients, strict=True))


def test_terms_are_means_by_rows_too(tmp_path: Path) -> None:
    data, state = began(run_of(VAE, 3), tmp_path)
    batch = first_batch(data, state)
    each = parts.parts_of(batch, 0, 3)
    alone = [next(iter(state.family.losses(state.nets, part.batch))).terms for part in each]
    summed, _ = next(parts.losses(state, batch))
    for name, term in summed.terms.items():
        assert float(term) == pytest.approx(
            sum(p.share * float(t[name].detach()) for p, t in zip(each, alone, strict=True))
        )
        assert not term.requires_grad


def test_parts_are_the_rows_of_the_batch_in_order_with_draws_of_their_own(tmp_path: Path) -> None:
    data, state = began(run_of(VAE, 4), tmp_path)
    batch = first_batch(data, state)
    each = parts.parts_of(batch, 0, 4)
    assert torch.equal(torch.cat([part.batch.x for part in each]), batch.x)
    assert torch.equal(torch.cat([part.batch.row for part in each]), batch.row)
    assert sum(part.share for part in each) == pytest.approx(1.0)
    draws = {float(torch.rand((), generator=part.batch.rng)) for part in each}
    assert len(draws) == 4
    again = {float(torch.rand((), generator=part.batch.rng)) for part in parts.parts_of(batch, 0, 4)}
    assert again == draws


def test_a_batch_with_fewer_rows_than_parts_has_a_part_for_each_row(tmp_path: Path) -> None:
    data, state = began(run_of(VAE, 1), tmp_path)
    few = first_batch(data, state)
    few = few._replace(x=few.x[:3], c=few.c[:3], row=few.row[:3])
    each = parts.parts_of(few, 0, 8)
    assert [len(part.batch.x) for part in each] == [1, 1, 1]
    assert torch.equal(torch.cat([part.batch.x for part in each]), few.x)


def test_all_losses_of_a_game_are_descended_in_turn_and_once(tmp_path: Path) -> None:
    """Critic steps and a generator's: each Adam takes as many as with one part."""
    family = {**GAN, "critic_steps": 3, "regularizers": [{"regularizer": "weight_clipping", "limit": 0.05}]}
    whole, _ = trained(run_of(family, 1, steps=2), tmp_path)
    state, told = trained(run_of(family, 3, steps=2), tmp_path)
    taken = {loss: int(adam.memory(0)["step"]) for loss, adam in state.optimizers.items()}
    assert taken == {loss: int(adam.memory(0)["step"]) for loss, adam in whole.optimizers.items()}
    assert taken == {"critic": 6, "generator": 2}
    assert set(told[-1]) == set(whole.losses)
    assert max(float(p.detach().abs().max()) for p in state.nets["critic"].parameters()) <= 0.0501


@pytest.mark.parametrize("rows", [6, 7, 11, 32])
def test_parts_of_any_size_take_their_critic_steps_together(rows: int, tmp_path: Path) -> None:
    """A part of two rows divides them by two critic steps, one of three rows too."""
    data, state = began(run_of({**GAN, "critic_steps": 3}, 3), tmp_path)
    batch = first_batch(data, state)
    few = batch._replace(x=batch.x[:rows], c=batch.c[:rows], row=batch.row[:rows])
    names = [loss.name for loss, _ in parts.losses(state, few)]
    assert names == ["critic"] * min(3, rows // 3) + ["generator"]


def test_a_part_that_lacks_a_domain_leaves_the_mean_to_the_others(tmp_path: Path) -> None:
    translation = {"family": "cyclegan", "width": 8, "pool": 0, "identity": 0.0}
    data, state = began(run_of(translation, 2, data={"source": "turned_moons", "condition": "label"}), tmp_path)
    batch = first_batch(data, state)
    label = batch.c.argmax(1)
    order = torch.cat([(label == 0).nonzero()[:4, 0], (label == 0).nonzero()[4:6, 0], (label == 1).nonzero()[:2, 0]])
    some = Batch(batch.x[order], batch.c[order], batch.rng, 0, 20, batch.row[order])  # the first half is of one label
    alone = parts.parts_of(some, state.run.seed, 2)[1].batch
    expected = [float(loss.value.detach()) for loss in state.family.losses(state.nets, alone)]
    assert [float(loss.value) for loss, _ in parts.losses(state, some)] == pytest.approx(expected)


def test_a_training_in_parts_resumes_bit_for_bit(tmp_path: Path) -> None:
    run = run_of(VAE, 3, steps=12)
    straight, _ = trained(run, tmp_path)
    data, state = began(run, tmp_path)
    for _ in islice(train(data, state), 5):
        pass
    save_state(tmp_path / "states", state)
    resumed = latest_state(tmp_path / "states", data, run, CPU)
    assert resumed is not None
    for _ in train(data, resumed):
        pass
    assert torch.equal(weights(resumed), weights(straight))


def test_a_checkpoint_keeps_the_number_of_parts(tmp_path: Path) -> None:
    data, state = began(run_of(VAE, 2), tmp_path)
    state.accumulate = 8
    save_state(tmp_path / "states", state)
    resumed = latest_state(tmp_path / "states", data, state.run, CPU)
    assert resumed is not None
    assert resumed.accumulate == 8


def test_the_graph_of_a_part_is_freed_before_the_next_is_begun(tmp_path: Path) -> None:
    """What backward passes need is counted while the parts advance."""
    held, most = 0, []

    class Kept:
        def __init__(self, tensor: Tensor) -> None:
            nonlocal held
            self.tensor = tensor
            held += tensor.nbytes
            most.append(held)

        def __del__(self) -> None:
            nonlocal held
            held -= self.tensor.nbytes

    def most_held(k: int) -> int:
        data, state = began(run_of(FLOW, k, 512, 1, {"source": "two_moons", "n": 600}), tmp_path)
        most.clear()
        with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
            for _ in train(data, state):
                pass
        return max(most)

    assert most_held(8) < 0.3 * most_held(1)


def test_one_part_draws_what_a_batch_always_drew(tmp_path: Path) -> None:
    data, state = began(run_of(VAE, 1), tmp_path)
    loss, gradients = next(parts.losses(state, first_batch(data, state)))
    plain = next(iter(state.family.losses(state.nets, first_batch(data, state))))
    assert torch.equal(loss.value, plain.value)
    expected: Iterator[Tensor] = iter(torch.autograd.grad(plain.value, state.weights(plain.trains)))
    assert all(torch.equal(g, next(expected)) for g in gradients)


def test_more_parts_than_rows_are_refused_by_the_field() -> None:
    with pytest.raises(ValueError, match="at most as many parts as rows") as error:
        run_of(VAE, 33)
    assert "optimizer.accumulate" in str(error.value)


def test_devices_are_parts_where_one_process_trains(tmp_path: Path) -> None:
    """So a run gives the same model in the library as on several devices."""
    run = run_of(VAE, 2)
    on_two = Run.model_validate({**run.model_dump(mode="json"), "devices": 2})
    assert torch.equal(weights(trained(on_two, tmp_path)[0]), weights(trained(run_of(VAE, 4), tmp_path)[0]))


def test_more_devices_and_parts_than_rows_are_refused_by_the_field() -> None:
    with pytest.raises(ValueError, match="is 5, with 8 parts on each, and a batch has 32 rows") as error:
        Run.model_validate({**run_of(VAE, 8).model_dump(mode="json"), "devices": 5})
    assert "devices" in str(error.value)
