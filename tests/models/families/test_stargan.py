"""StarGAN: what each player is told of domains, and digits that change their style."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor, nn

from pushforward.models import networks
from pushforward.models.adversarial.games import BEGAN, AnyGame, Hinge, LeastSquares, NonSaturating, Wasserstein
from pushforward.models.capabilities import capabilities
from pushforward.models.errors import InvalidData, InvalidInput
from pushforward.models.families.stargan import StarGAN
from pushforward.models.family import reconstruct
from pushforward.models.losses import Batch, Loss
from pushforward.models.networks import Nets
from pushforward.models.spec.conditions import AnyCondition, Labels, Vector
from pushforward.models.spec.data_spec import DataSpec

THREE = Labels(n_classes=3)
ATTRIBUTES = Vector(shift=(0.5, 0.25), scale=(0.5, 0.1875**0.5))
PLANE = DataSpec(shape=(2,), shift=(0.5, 0.25), scale=(0.71, 0.71), condition=THREE)
GRAY = DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17, shift=(8.0,), scale=(8.0,), condition=ATTRIBUTES)
SMALL = StarGAN(width=16, depth=2, critic_steps=2)
GAMES: list[AnyGame] = [Wasserstein(), LeastSquares(), NonSaturating(), Hinge()]


class Itself(nn.Module):
    """A generator that changes nothing, whatever domain is asked for; the condition follows the row."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x[:, : self.channels]


def built(family: StarGAN, spec: DataSpec) -> Nets:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return family.build(spec)


def batch(spec: DataSpec, n: int = 12) -> Batch:
    rng = torch.Generator().manual_seed(0)
    x = spec.denormalize(2 * torch.rand(n, *spec.shape, generator=rng) - 1)
    assert spec.condition is not None
    values = torch.randint(2, (n, spec.condition.width), generator=rng).float()
    return Batch(x, spec.condition.code(values), rng, 0, 1, torch.arange(n))


def detached(family: StarGAN, nets: Nets, spec: DataSpec) -> list[Loss]:
    return [
        loss._replace(value=loss.value.detach(), terms={name: term.detach() for name, term in loss.terms.items()})
        for loss in family.losses(nets, batch(spec))
    ]


def test_it_translates_and_cycles_and_does_neither_sample_nor_encode() -> None:
    assert capabilities(StarGAN) == ("reconstruct", "translate")


def test_a_generator_that_changes_nothing_has_no_reconstruction_loss() -> None:
    """T54."""
    nets = built(SMALL, PLANE)
    nets["generator"] = Itself(2)
    *_, loss = detached(SMALL, nets, PLANE)
    assert float(loss.terms["reconstruction_l1"]) == 0
    at = batch(PLANE)
    assert torch.allclose(reconstruct(SMALL, nets, at.x, at.c), at.x, atol=1e-6)


@pytest.mark.parametrize("spec", [PLANE, GRAY], ids=["labels", "attributes"])
def test_a_label_stands_at_every_pixel_beside_the_row(spec: DataSpec) -> None:
    """T54: (B, C) is broadcast to planes of an image, and to elements of a vector."""
    seen, nets = list[Tensor](), built(SMALL, spec)
    nets["generator"].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    at = batch(spec)
    SMALL.push(nets, spec.normalize(at.x), at.c)
    c = spec.condition_size
    assert seen[0].shape == (12, spec.shape[0] + c, *spec.shape[1:])
    beside = seen[0][:, spec.shape[0] :]
    assert torch.equal(beside, at.c.view(12, c, *[1] * (len(spec.shape) - 1)).expand_as(beside))


def test_the_critic_tells_domains_of_real_rows_and_the_generator_those_of_fakes() -> None:
    """T54: a classification of fakes is no part of the critic's loss, nor one of real rows of the generator's."""
    nets, asked = built(SMALL, PLANE), list[Tensor]()
    critic = nets["critic"]
    assert isinstance(critic, networks.CriticHead)
    told = critic.classify
    critic.classify = lambda x: (asked.append(x.detach()), told(x))[1]  # type: ignore[method-assign]
    at = batch(PLANE)
    u = PLANE.normalize(at.x)
    first, second, last = SMALL.losses(nets, at)
    assert (first.trains, second.trains, last.trains) == (("critic",), ("critic",), ("generator",))
    assert torch.equal(torch.cat(asked[:2]), u)
    assert not torch.isclose(asked[2], u).all(1).any()
    nats = F.cross_entropy(told(u[:6]), at.c[:6])
    assert float(first.terms["real_classification_nats"].detach()) == pytest.approx(float(nats.detach()))


def test_an_attribute_is_told_by_a_binary_cross_entropy_and_attributes_add() -> None:
    nets = built(SMALL, GRAY)
    critic = nets["critic"]
    assert isinstance(critic, networks.CriticHead)
    assert critic.classes is not None
    assert critic.classes.out_features == 2
    with torch.no_grad():
        critic.classes.weight.zero_()
        critic.classes.bias.copy_(torch.tensor([0.0, 100.0]))
    at = batch(GRAY)
    values = ATTRIBUTES.values(at.c)
    wanted = 0.6931472 + 100 * (1 - values[:6, 1]).mean()
    assert float(detached(SMALL, nets, GRAY)[0].terms["real_classification_nats"]) == pytest.approx(float(wanted))


@pytest.mark.parametrize("spec", [PLANE, GRAY], ids=["labels", "attributes"])
@pytest.mark.parametrize("game", GAMES, ids=lambda game: game.game)
def test_a_loss_reaches_every_weight_it_trains_in_every_game(game: AnyGame, spec: DataSpec) -> None:
    family = SMALL.model_copy(update={"game": game})
    nets = built(family, spec)
    for loss in family.losses(nets, batch(spec)):
        weights = [w for name in loss.trains for w in nets[name].parameters()]
        gradients = torch.autograd.grad(loss.value, weights, retain_graph=True, allow_unused=True)
        reached = [g is not None and bool(g.abs().max() > 0) for g in gradients]
        assert sum(reached) >= len(weights) - 1  # the bias of the score cancels between real rows and fakes in some


def test_the_other_domain_is_the_next_label_or_every_attribute_flipped() -> None:
    labels = THREE.code(torch.tensor([[0.0], [1.0], [2.0]]))
    assert THREE.values(SMALL.other(built(SMALL, PLANE), labels))[:, 0].tolist() == [1, 2, 0]
    vectors = ATTRIBUTES.code(torch.tensor([[0.0, 1.0], [1.0, 1.0]]))
    flipped = ATTRIBUTES.values(SMALL.other(built(SMALL, GRAY), vectors))
    assert torch.allclose(flipped, torch.tensor([[1.0, 0.0], [0.0, 0.0]]), atol=1e-6)


@pytest.mark.parametrize(
    "condition",
    [None, Labels(n_classes=1), Vector(shift=(0.5,), scale=(1.0,)), Vector(shift=(0.0,), scale=(1.0,))],
    ids=["none", "one label", "other numbers", "an attribute of none"],
)
def test_conditions_that_are_no_domains_are_refused(condition: AnyCondition | None) -> None:
    with pytest.raises(InvalidData, match="labels, two at least, or vectors of 0 and 1") as refused:
        SMALL.build(PLANE.model_copy(update={"condition": condition}))
    assert refused.value.field == "run.data.condition"


@pytest.mark.parametrize("value", [7.0, -3.0])
def test_attributes_lie_between_0_and_1(value: float) -> None:
    SMALL.check_domains(ATTRIBUTES, np.array([[0, 1], [0.5, 0.25]]))
    with pytest.raises(InvalidInput, match=rf"has {value:g} in column 1; an attribute is 0 or 1, or between"):
        SMALL.check_domains(ATTRIBUTES, np.array([[0, 1], [0.5, value]]))
    SMALL.check_domains(Labels(n_classes=8), np.array([[7.0]]))  # a label is no attribute


def test_a_game_whose_critic_tells_no_labels_is_refused() -> None:
    with pytest.raises(ValidationError, match="Input tag 'began'"):
        StarGAN(game=BEGAN())
