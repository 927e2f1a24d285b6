"""Critics for games and regularizers: what is built, what is refused, and what older configurations mean."""

import copy

import pytest
import torch
from pydantic import ValidationError

from pushforward.models.adversarial.architectures import Plain, Size
from pushforward.models.adversarial.critics import CriticDesign
from pushforward.models.adversarial.games import BEGAN, Cramer, Hinge, NonSaturating, Wasserstein
from pushforward.models.adversarial.penalties import Adversarial
from pushforward.models.adversarial.regularizers import R1, GradientPenalty, MinibatchDeviation, Packing, SpectralNorm
from pushforward.models.families.gan import GAN
from pushforward.models.networks.adversarial.critics import batch_deviation
from pushforward.models.spec.data_spec import DataSpec

PLANE = DataSpec(shape=(2,))
GRAY = DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17)
SIZE = Size(16, 2)


@pytest.mark.parametrize("spec", [PLANE, GRAY])
def test_every_layer_of_a_normalized_critic_has_spectral_norm_one(spec: DataSpec) -> None:
    """T47: the largest singular value, by SVD."""
    critic = CriticDesign(Hinge(), (SpectralNorm(),)).build(Plain(), spec, SIZE)
    for _ in range(50):  # the power iteration goes on in each training step
        critic(torch.zeros(2, *spec.shape))
    weights = [layer.weight for layer in critic.modules() if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d)]
    assert len(weights) >= 3
    for weight in weights:
        assert float(torch.linalg.matrix_norm(weight.detach().flatten(1), 2)) == pytest.approx(1.0, abs=1e-2)


def test_a_normalized_critic_of_perceptrons_is_nowhere_steeper_than_one() -> None:
    critic = CriticDesign(Wasserstein(), (SpectralNorm(),)).build(Plain(), PLANE, SIZE).eval()
    x, y = torch.randn(2, 500, 2, generator=torch.Generator().manual_seed(0))
    assert bool(((critic(x) - critic(y)).abs()[:, 0] <= 1.02 * (x - y).norm(dim=1)).all())


@pytest.mark.parametrize("spec", [PLANE, GRAY])
def test_a_packing_critic_takes_rows_together(spec: DataSpec) -> None:
    critic = CriticDesign(NonSaturating(), (Packing(rows=3),)).build(Plain(), spec, SIZE)
    assert critic(torch.zeros(5, 3 * spec.shape[0], *spec.shape[1:])).shape == (5, 1)


def test_the_deviation_of_equal_rows_is_zero_and_finite_in_slope() -> None:
    """T55."""
    phi = torch.ones(4, 3, requires_grad=True)
    deviation = batch_deviation(phi)
    assert deviation.item() == pytest.approx(0.0, abs=1e-9)
    assert torch.autograd.grad(deviation, phi)[0].isfinite().all()
    assert batch_deviation(torch.tensor([[0.0], [2.0]])) == pytest.approx(1.0, abs=1e-3)


def test_a_critic_that_sees_deviations_tells_equal_rows_from_different_ones() -> None:
    critic = CriticDesign(NonSaturating(), (MinibatchDeviation(),)).build(Plain(), PLANE, SIZE)
    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    assert not torch.allclose(critic(x)[0], critic(x[:1].expand(6, 2))[0])


@pytest.mark.parametrize("spec", [PLANE, GRAY])
def test_the_critic_of_began_scores_how_badly_it_reconstructs(spec: DataSpec) -> None:
    critic = CriticDesign(BEGAN(), ()).build(Plain(), spec, SIZE)
    x = torch.randn(3, *spec.shape, generator=torch.Generator().manual_seed(0))
    none = x.flatten(1)[:, :0]
    error = (x - critic.reconstruct(x, none)).abs().flatten(1).mean(1, keepdim=True)
    assert torch.allclose(critic(x, none), error)


def test_a_game_of_features_has_a_critic_of_features() -> None:
    critic = CriticDesign(Cramer(features=24), ()).build(Plain(), PLANE, SIZE)
    assert critic(torch.zeros(5, 2)).shape == (5, 24)


REFUSED = [
    ({"game": {"game": "wasserstein"}, "regularizers": []}, "gradient_penalty"),
    ({"game": {"game": "cramer"}, "regularizers": []}, "game cramer has no end; add gradient_penalty"),
    ({"game": {"game": "mmd"}, "regularizers": [{"regularizer": "r1"}]}, "game mmd has no end"),
    ({"game": {"game": "cramer"}, "regularizers": [{"regularizer": "label_smoothing"}]}, "no labels to smooth"),
    ({"game": {"game": "wasserstein"}, "regularizers": [{"regularizer": "label_smoothing"}]}, "no labels to smooth"),
    ({"game": {"game": "began"}, "regularizers": [{"regularizer": "minibatch_deviation"}]}, "minibatch_deviation"),
    ({"regularizers": [{"regularizer": "r1"}, {"regularizer": "r1", "gamma": 2}]}, "r1 is there twice"),
    ({"game": {"game": "mmd"}, "conditioned_by": "projection"}, "choose concatenation"),
    ({"game": {"game": "began"}, "conditioned_by": "classifier"}, "concatenation alone"),
    ({"conditioned_by": "classifier", "regularizers": [{"regularizer": "packing"}]}, "leave out packing"),
]


@pytest.mark.parametrize(("values", "remedy"), REFUSED)
def test_what_does_not_go_together_is_refused_with_a_remedy(values: dict[str, object], remedy: str) -> None:
    with pytest.raises(ValidationError, match=remedy):
        GAN.model_validate(values)
    if "conditioned_by" not in values:
        with pytest.raises(ValidationError, match=remedy):
            Adversarial.model_validate(values)


def test_a_bounded_kernel_holds_its_game() -> None:
    game = {"game": "mmd", "kernel": {"kernel": "rbf"}}
    assert GAN.model_validate({"game": game, "regularizers": []}).regularizers == ()


OLDER = [
    ({"game": {"game": "non_saturating", "gamma": 0.5}}, NonSaturating(), (R1(gamma=0.5),)),
    ({"game": {"game": "non_saturating", "gamma": 0.0}}, NonSaturating(), ()),
    ({"game": {"game": "non_saturating"}}, NonSaturating(), None),
    ({"game": {"game": "wasserstein", "penalty": 3.0}}, Wasserstein(), (GradientPenalty(weight=3.0),)),
]


@pytest.mark.parametrize(("values", "game", "regularizers"), OLDER)
def test_a_configuration_of_before_regularizers_is_read(
    values: dict[str, object], game: object, regularizers: object
) -> None:
    before = copy.deepcopy(values)
    for cls in (GAN, Adversarial):
        read = cls.model_validate(values)
        assert read.game == game
        assert read.regularizers == regularizers
    assert values == before  # what was given is not changed
