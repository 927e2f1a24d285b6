"""The contest: what each regularizer does to the steps of both players (float64 where it is exact)."""

import copy
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from pushforward.models import networks
from pushforward.models.adversarial.contest import Contest, RealAndFake, packed
from pushforward.models.adversarial.game import Game, SeparableGame
from pushforward.models.adversarial.games import (
    BEGAN,
    AnyGame,
    Cramer,
    Minimax,
    MMDGame,
    NonSaturating,
    RelativisticAverage,
    Wasserstein,
)
from pushforward.models.adversarial.regularizers import (
    R1,
    R2,
    AnyRegularizer,
    GradientPenalty,
    HistoricalAveraging,
    InstanceNoise,
    LabelSmoothing,
    Packing,
    Unrolled,
    WeightClipping,
)
from pushforward.models.adversarial.regularizers.regularizer import CriticPenalty, Regularizer
from pushforward.models.families.gan import GAN
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.spec.data_spec import DataSpec
from tests.models.adversarial.gaussians import some

PLANE = DataSpec(shape=(2,))


GAMES: tuple[type[Game], ...] = get_args(get_args(AnyGame)[0])
REGULARIZERS: tuple[type[Regularizer], ...] = get_args(get_args(AnyRegularizer)[0])


def linear_critic(w: Tensor) -> Nets:
    critic = nn.Linear(2, 1, bias=False).double()
    with torch.no_grad():
        critic.weight.copy_(w)
    return Nets(PLANE, critic=critic)


def batch(step: int = 0, total: int = 10) -> Batch:
    x = torch.zeros(8, 2)
    return Batch(x, x[:, :0], torch.Generator().manual_seed(0), step, total, torch.arange(8))


REAL, FAKE = some(8, 2, seed=1) + 1, some(8, 2, seed=2)
ROWS = RealAndFake(REAL, FAKE, REAL[:, :0])
W = torch.tensor([[0.5, -0.25]], dtype=torch.float64)


def critic_loss(contest: Contest, nets: Nets, at: Batch) -> Tensor:
    return next(contest.critic_step(nets, ROWS, at)).value


@pytest.mark.parametrize("regularizer", REGULARIZERS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("game", GAMES, ids=lambda cls: cls.__name__)
def test_every_regularizer_goes_with_every_game(game: type[Game], regularizer: type[Regularizer]) -> None:
    """Two steps of a tiny model: losses are finite and move the weights; what cannot go together is refused."""
    chosen = (
        [regularizer()]
        if issubclass(regularizer, type(game.regularizers[0]) if game.regularizers else Game)
        else [
            *game.regularizers,
            regularizer(),
        ]
    )
    values = {"latent": 2, "width": 8, "depth": 1, "game": game(), "regularizers": tuple(chosen)}
    if regularizer is LabelSmoothing and (game is Wasserstein or not issubclass(game, SeparableGame)):
        with pytest.raises(ValueError, match="no labels to smooth"):
            GAN.model_validate(values)
        return
    if game is BEGAN and regularizer.__name__ == "MinibatchDeviation":
        with pytest.raises(ValueError, match="minibatch_deviation"):
            GAN.model_validate(values)
        return
    family = GAN.model_validate(values)
    nets = family.build(PLANE)
    before = copy.deepcopy(nets.state_dict())
    for step in range(2):
        x = torch.randn(9, 2, generator=torch.Generator().manual_seed(step))
        rng = torch.Generator().manual_seed(step)
        for loss in family.losses(nets, Batch(x, x[:, :0], rng, step, 4, torch.arange(9))):
            weights = [weight for name in loss.trains for weight in nets[name].parameters()]
            gradients = torch.autograd.grad(loss.value, weights)
            assert loss.value.isfinite()
            assert all(bool(gradient.isfinite().all()) for gradient in gradients)
            shrink = 1 / max(1.0, float(torch.stack([gradient.norm() for gradient in gradients]).norm()))
            with torch.no_grad():
                for weight, gradient in zip(weights, gradients, strict=True):
                    weight -= 0.05 * shrink * gradient
    after = nets.state_dict()
    assert {name.split(".")[0] for name in after if not torch.equal(before[name], after[name])} >= {
        "generator",
        "critic",
    }


def test_clipped_weights_are_never_larger() -> None:
    """T47: |w|_inf <= c after each step of the critic."""
    nets = linear_critic(W)
    for _ in Contest(Wasserstein(), (WeightClipping(limit=0.1),)).critic_step(nets, ROWS, batch()):
        assert nets["critic"].weight.abs().max() == 0.5
    assert nets["critic"].weight.tolist() == [[0.1, -0.1]]


def test_smoothed_labels_mix_what_is_said_of_real_rows() -> None:
    """The best critic is (1 - s) p / (q + s p): the loss is cross-entropy with the label 1 - s for real rows."""
    value = critic_loss(Contest(NonSaturating(), (LabelSmoothing(share=0.2),)), linear_critic(W), batch())
    real, fake = REAL @ W.T, FAKE @ W.T
    entropy = nn.functional.binary_cross_entropy_with_logits
    expected = entropy(real, torch.full_like(real, 0.8)) + entropy(fake, torch.zeros_like(fake))
    assert torch.allclose(value, expected)


def test_noise_fades_to_none() -> None:
    plain = critic_loss(Contest(NonSaturating(), ()), linear_critic(W), batch())
    contest = Contest(NonSaturating(), (InstanceNoise(sigma=0.5, until=0.5),))
    assert critic_loss(contest, linear_critic(W), batch(0)) != plain
    assert critic_loss(contest, linear_critic(W), batch(5)) == plain
    assert InstanceNoise(sigma=0.5, until=0.5).scale(2, 8) == 0.25


@pytest.mark.parametrize("shape", [(2,), (3, 4, 4)])
def test_packed_rows_lie_one_after_the_other(shape: tuple[int, ...]) -> None:
    x = some(7, *shape, seed=1)
    joined = packed(x, 3)
    assert joined.shape == (2, 3 * shape[0], *shape[1:])
    assert torch.equal(joined[1, shape[0] : 2 * shape[0]], x[4])
    assert packed(x[:2], 3).shape[0] == 1  # a short last batch repeats its rows
    assert Packing(rows=3).rows == 3


def test_the_unrolled_generator_sees_the_critic_of_further_steps() -> None:
    """A linear Wasserstein critic of K steps is w + K lr (mean x - mean x'), and its loss -w_K mean x'.

    Steps longer than lr are shortened to it, as in a training.
    """
    fake = FAKE.clone().requires_grad_()
    contest = Contest(Wasserstein(), (Unrolled(steps=3, lr=0.1),))
    rows = RealAndFake(REAL, fake, REAL[:, :0])
    value = contest.generator_loss(linear_critic(W), rows, batch())
    slope = REAL.mean(0) - fake.mean(0)
    w = W[0] + 3 * 0.1 * slope / slope.detach().norm().clamp_min(1.0)
    exact = -w @ fake.mean(0)
    assert torch.allclose(value, exact)
    mine, theirs = (torch.autograd.grad(each, fake)[0] for each in (value, exact))
    assert torch.allclose(mine, theirs)  # the generator's gradient goes through the critic's steps


def looked_ahead(regularizers: tuple[Regularizer, ...]) -> Tensor:
    """The slope of a linear critic that fakes at the corners see."""
    corners = torch.eye(2, dtype=torch.float64)
    real = corners + torch.tensor([3.0, 1.0])
    rows = RealAndFake(real, corners, real[:, :0])
    loss = Contest(Wasserstein(), regularizers).generator_loss(linear_critic(W), rows, batch())
    return -2 * loss.detach()  # w_1 + w_2


def test_the_critic_looked_ahead_to_is_held_as_the_critic_is() -> None:
    """A penalty keeps its slope near the center, 1, so w_1 + w_2 <= sqrt 2; clipped weights stay in their range."""
    unrolled = Unrolled(steps=20, lr=0.1)
    assert looked_ahead((unrolled,)) > 2.5
    assert looked_ahead((GradientPenalty(weight=1e3), unrolled)) < 1.8
    assert looked_ahead((WeightClipping(limit=0.1), unrolled)) == pytest.approx(0.2)


@pytest.mark.parametrize("penalty", [R1(gamma=2.0), R2(gamma=2.0)], ids=["r1", "r2"])
@pytest.mark.parametrize("game", [MMDGame(), Cramer()], ids=["mmd", "cramer"])
def test_a_slope_of_a_joint_witness_is_at_one_row_while_the_others_stay(game: Game, penalty: CriticPenalty) -> None:
    """T47: the gradient of f(x) = w(h(x); rows) in x, the rows that f compares with held fixed."""
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, game.score_size)).double()
    nets = Nets(PLANE, critic=critic)
    value = critic_loss(Contest(game, (penalty,)), nets, batch()) - critic_loss(Contest(game, ()), nets, batch())
    with torch.no_grad():
        real, fake = critic(REAL), critic(FAKE)
    x = (REAL if isinstance(penalty, R1) else FAKE).clone().requires_grad_()
    (slope,) = torch.autograd.grad(game.witness(critic(x), real, fake).sum(), x)
    assert torch.allclose(value, slope.square().sum(1).mean())


@pytest.mark.parametrize("game", [RelativisticAverage(), MMDGame()], ids=["relativistic", "mmd"])
def test_real_rows_may_have_conditions_of_their_own(game: Game) -> None:
    """Fakes of two conditions a row beside real rows of one: each is judged beside its own."""
    torch.manual_seed(0)
    nets = Nets(PLANE, critic=nn.Linear(3, game.score_size).double())
    c, other = some(8, 1, seed=3), some(8, 1, seed=4)
    fakes, theirs = torch.cat([FAKE, FAKE]), torch.cat([c, other])
    value = Contest(game, ()).generator_loss(nets, RealAndFake(REAL, fakes, theirs, own=c), batch())
    of_fake, of_real = nets["critic"](torch.cat([fakes, theirs], 1)), nets["critic"](torch.cat([REAL, c], 1))
    assert torch.allclose(value, game.generator_loss(of_fake, of_real))


def test_players_are_pulled_to_the_mean_of_their_past() -> None:
    nets = linear_critic(W)
    contest = Contest(Minimax(), (HistoricalAveraging(weight=2.0),))
    contest.add_memory(nets)
    plain = critic_loss(Contest(Minimax(), ()), nets, batch())
    assert torch.allclose(critic_loss(contest, nets, batch()), plain)  # no distance yet
    for _ in range(3):  # steps of the critic, of one step of both
        for _ in contest.critic_step(nets, ROWS, batch(step=0)):
            with torch.no_grad():
                nets["critic"].weight += 1.0 / 3
    contest.generator_loss(nets, ROWS, batch(step=0))
    assert torch.allclose(nets["critic_history"].weight, W + 0.5)  # the mean of two
    moved = critic_loss(Contest(Minimax(), ()), nets, batch())
    assert torch.allclose(critic_loss(contest, nets, batch()), moved + 2.0 * 2 * 0.25)


def test_the_balance_of_an_autoencoding_critic_is_kept_among_the_networks() -> None:
    critic = networks.AutoencodingCritic(nn.Linear(2, 1), nn.Linear(1, 2)).double()
    nets = Nets(PLANE, critic=critic)
    contest = Contest(BEGAN(rate=0.5), (), join=lambda x, c: (x, c))
    contest.add_memory(nets)
    for loss in contest.critic_step(nets, ROWS, batch()):
        assert loss.value == critic(REAL, REAL[:, :0]).mean()  # k = 0 at the start
        convergence = loss.terms["critic_convergence"]
    of_real, of_fake = critic(REAL, REAL[:, :0]).mean(), critic(FAKE, FAKE[:, :0]).mean()
    assert torch.allclose(convergence, of_real + (0.5 * of_real - of_fake).abs())
    expected = (0.5 * (0.5 * of_real - of_fake)).clamp(0, 1)
    assert torch.allclose(nets["critic_balance"]().double(), expected, atol=1e-6)
