"""CycleGAN: cycles that close, who moves when, and moons that turn."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from pushforward.models.adversarial.games import AnyGame, Hinge, LeastSquares, NonSaturating, Wasserstein
from pushforward.models.adversarial.regularizers import HistoricalAveraging
from pushforward.models.capabilities import capabilities
from pushforward.models.errors import InvalidData
from pushforward.models.evaluation.held_out import evaluate
from pushforward.models.families.cyclegan import CycleGAN
from pushforward.models.family import reconstruct
from pushforward.models.losses import Batch, Loss
from pushforward.models.networks import Nets
from pushforward.models.run import Run
from pushforward.models.spec.conditions import Labels, Vector
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

TWO = Labels(n_classes=2)
PLANE = DataSpec(shape=(2,), shift=(0.5, 0.25), scale=(0.71, 0.71), condition=TWO)
GRAY = DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17, shift=(8.0,), scale=(8.0,), condition=TWO)
SMALL = CycleGAN(width=16, depth=2, pool=8)
GAMES: list[AnyGame] = [LeastSquares(), NonSaturating(), Wasserstein(), Hinge()]
ORTHOGONAL = {
    "turn": [[0.6, -0.8], [0.8, 0.6]],
    "flip of signs": [[-1.0, 0.0], [0.0, -1.0]],
    "permutation": [[0.0, 1.0], [1.0, 0.0]],
}


def built(family: CycleGAN, spec: DataSpec) -> Nets:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return family.build(spec)


def batch(spec: DataSpec, n: int = 12, *, of_b: int = 6, seed: int = 0) -> Batch:
    rng = torch.Generator().manual_seed(seed)
    x = spec.denormalize(2 * torch.rand(n, *spec.shape, generator=rng) - 1)
    c = TWO.code((torch.arange(n) < of_b).float()[:, None])
    return Batch(x, c, rng, 0, 1, torch.arange(n))


def linear(w: list[list[float]]) -> nn.Module:
    layer = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(w))
    return layer


class Half(nn.Module):
    """A critic that cannot tell: its score is 1/2."""

    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.score.expand(len(x), 1)


def by_name(losses: Iterator[Loss]) -> dict[str, Loss]:
    """The losses of a step, without their graphs."""
    found = {}
    for loss in losses:
        terms = {name: term.detach() for name, term in loss.terms.items()}
        found[loss.name] = loss._replace(value=loss.value.detach(), terms=terms)
    return found


def test_it_translates_and_cycles_and_does_neither_sample_nor_encode() -> None:
    assert capabilities(CycleGAN) == ("reconstruct", "translate")


@pytest.mark.parametrize("w", ORTHOGONAL.values(), ids=ORTHOGONAL)
def test_generators_that_undo_each_other_have_no_cycle_loss_whatever_they_do(w: list[list[float]]) -> None:
    """T53: F = G^-1 gives 0, and so do flips and permutations: the cycle does not tell which map it is."""
    nets = built(SMALL, PLANE)
    nets["a_to_b"], nets["b_to_a"] = linear(w), linear(torch.tensor(w).T.tolist())
    found = by_name(SMALL.losses(nets, batch(PLANE)))["generators"].terms
    assert float(found["cycle_l1"]) == pytest.approx(0, abs=1e-6)
    assert float(found["identity_l1"]) > 0.1
    x, c = batch(PLANE).x, batch(PLANE).c
    assert torch.allclose(reconstruct(SMALL, nets, x, c), x, atol=1e-5)


def test_a_critic_that_cannot_tell_has_a_squared_error_of_a_quarter_in_each_term() -> None:
    """T53: where the best critic of equal distributions is, each squared error is .25; the loss has half of it."""
    family = CycleGAN(width=16, depth=2, regularizers=(), cycle=0, identity=0)
    nets = built(family, PLANE)
    nets["critic_a"], nets["critic_b"] = Half(), Half()
    found = by_name(family.losses(nets, batch(PLANE)))
    for name in ("critic_a", "critic_b"):
        assert 2 * float(found[name].value) == pytest.approx(0.25 + 0.25)
    assert 2 * float(found["generators"].value) == pytest.approx(0.25 + 0.25)


def test_the_weights_of_cycle_and_identity_are_those_of_the_loss() -> None:
    nets = built(SMALL, PLANE)
    values = {}
    for cycle, identity in ((10.0, 5.0), (0.0, 5.0), (10.0, 0.0)):
        family = SMALL.model_copy(update={"cycle": cycle, "identity": identity})
        values[cycle, identity] = by_name(family.losses(built(SMALL, PLANE), batch(PLANE)))["generators"]
    whole = values[10.0, 5.0]
    assert float(whole.value - values[0.0, 5.0].value) == pytest.approx(10 * float(whole.terms["cycle_l1"]), rel=1e-4)
    assert float(whole.value - values[10.0, 0.0].value) == pytest.approx(
        5 * float(whole.terms["identity_l1"]), rel=1e-4
    )
    assert "identity_l1" not in values[10.0, 0.0].terms
    assert nets.keys() == {"a_to_b", "b_to_a", "critic_a", "critic_b", "pool_a", "pool_b"}


@pytest.mark.parametrize("spec", [PLANE, GRAY], ids=["plane", "gray"])
@pytest.mark.parametrize("game", GAMES, ids=lambda game: game.game)
def test_a_loss_reaches_every_weight_it_trains_in_every_game(game: AnyGame, spec: DataSpec) -> None:
    family = SMALL.model_copy(update={"game": game})
    nets = built(family, spec)
    for loss in family.losses(nets, batch(spec)):
        weights = [w for name in loss.trains for w in nets[name].parameters()]
        gradients = torch.autograd.grad(loss.value, weights, retain_graph=True, allow_unused=True)
        reached = [g is not None and bool(g.abs().max() > 0) for g in gradients]
        assert sum(reached) >= len(weights) - 2  # a last bias cancels between real rows and fakes in some games


def test_critics_do_not_pull_on_generators() -> None:
    nets = built(SMALL, PLANE)
    for loss in SMALL.losses(nets, batch(PLANE)):
        if loss.name.startswith("critic"):
            weights = [w for name in ("a_to_b", "b_to_a") for w in nets[name].parameters()]
            assert set(torch.autograd.grad(loss.value, weights, retain_graph=True, allow_unused=True)) == {None}


def test_a_critic_sees_earlier_fakes_and_without_a_pool_only_new_ones() -> None:
    nets = built(SMALL, PLANE)
    for seed in range(4):
        for _ in SMALL.losses(nets, batch(PLANE, seed=seed)):
            pass
    assert int(nets["pool_a"].filled) == int(nets["pool_b"].filled) == 8
    assert not torch.equal(nets["pool_a"].rows, nets["pool_b"].rows)
    assert "pool_a" not in built(SMALL.model_copy(update={"pool": 0}), PLANE)


@pytest.mark.parametrize("of_b", [1, 5, 11])
def test_a_batch_plays_as_many_rows_as_its_rarer_label_has(of_b: int) -> None:
    assert by_name(SMALL.losses(built(SMALL, PLANE), batch(PLANE, of_b=of_b))).keys() == {
        "critic_a", "critic_b", "generators",
    }  # fmt: skip


@pytest.mark.parametrize("of_b", [0, 12])
def test_a_batch_of_one_domain_alone_teaches_nothing(of_b: int) -> None:
    assert list(SMALL.losses(built(SMALL, PLANE), batch(PLANE, of_b=of_b))) == []


def test_a_row_goes_by_the_generator_of_its_direction_and_stays_where_it_is_there_already() -> None:
    nets = built(SMALL, PLANE)
    nets["a_to_b"], nets["b_to_a"] = linear([[2.0, 0.0], [0.0, 2.0]]), linear([[0.0, 1.0], [1.0, 0.0]])
    x = PLANE.denormalize(torch.tensor([[1.0, 3.0]] * 4))
    to, c = (TWO.code(torch.tensor(labels)[:, None]) for labels in ([1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0]))
    found = PLANE.normalize(SMALL.translate(nets, x, to, c))
    assert torch.allclose(found, torch.tensor([[2.0, 6.0], [3.0, 1.0], [1.0, 3.0], [1.0, 3.0]]))
    assert torch.equal(SMALL.translate(nets, x, to, c)[2:], x[2:])


def test_each_player_is_averaged_with_its_own_past_once_a_step() -> None:
    family = SMALL.model_copy(update={"regularizers": (HistoricalAveraging(),)})
    nets = built(family, PLANE)
    start = {name: next(nets[name].parameters()).detach().clone() for name in ("critic_a", "a_to_b")}
    with torch.no_grad():
        for name in start:
            next(nets[name].parameters()).add_(1.0)
    for _ in family.losses(nets, batch(PLANE)):
        pass
    for name, before in start.items():
        past = next(nets[f"{name}_history"].parameters())
        assert torch.allclose(past, before + 0.5, atol=1e-6)  # the mean of two, one step long


@pytest.mark.parametrize("condition", [Labels(n_classes=3), Vector(shift=(0.5,), scale=(0.5,)), None])
def test_data_of_other_than_two_labels_are_refused(condition: Labels | Vector | None) -> None:
    with pytest.raises(InvalidData, match="between two labels") as refused:
        SMALL.build(PLANE.model_copy(update={"condition": condition}))
    assert refused.value.field == "run.data.condition"


def test_ten_labels_are_refused_with_remedies_that_are_there() -> None:
    ten = Run.model_validate({"family": {"family": "cyclegan"}, "data": {"source": "digits", "condition": "label"}})
    remedy = "choose a source of two domains, such as turned_moons with the condition label, or train stargan"
    with pytest.raises(InvalidData, match=remedy):
        ten.family.check(ten.data.outline(Path()))
    for run in ({"family": "cyclegan"}, "turned_moons"), ({"family": "stargan"}, "digits"):
        family, source = run
        other = Run.model_validate({"family": family, "data": {"source": source, "condition": "label"}})
        other.family.check(other.data.outline(Path()))


def test_a_run_without_a_condition_is_refused_before_its_data_are_read() -> None:
    with pytest.raises(ValidationError, match="has no condition, and cyclegan translates"):
        Run.model_validate({"family": {"family": "cyclegan"}, "data": {"source": "turned_moons"}})


def test_moons_are_turned_after_a_short_training() -> None:
    """A quarter turn, to the left or to the right; rows that stay are 1.03 away from it."""
    game, source = {"game": "non_saturating"}, {"source": "turned_moons", "condition": "label"}
    run = Run.model_validate({
        "family": {"family": "cyclegan", "identity": 0, "game": game, "critic_lr_ratio": 2},
        "data": source,
        "optimizer": {"lr": 1e-3, "batch_size": 128},
        "budget": {"steps": 600},
    })  # fmt: skip
    data = load_data(run, Path())
    state = fresh(run, data, torch.device("cpu"))
    for _ in train(data, state):
        pass
    metrics = evaluate(data, state)
    assert metrics["untranslated_rmse"] > 1
    assert metrics["translation_rmse"] < 0.3
    assert metrics["translated_sliced_wasserstein"] < 0.3 * metrics["untranslated_sliced_wasserstein"]
    assert metrics["validation_rmse_of_cycle"] < 0.05
