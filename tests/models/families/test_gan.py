"""The GAN: who moves when, on which gradients, and what it draws."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pushforward.models.adversarial.games import AnyGame, NonSaturating, Wasserstein
from pushforward.models.capabilities import capabilities
from pushforward.models.config.config import Options
from pushforward.models.errors import InvalidData
from pushforward.models.families.gan import GAN
from pushforward.models.losses import Batch, Loss
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.conditions import Labels, Vector
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import no_condition, sample

PLANE = DataSpec(shape=(2,), shift=(0.5, 0.25), scale=(0.87, 0.5))
GRAY = DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17, shift=(8.0,), scale=(8.0,))
SMALL = GAN(latent=3, width=16, depth=2)
GAMES: list[AnyGame] = [NonSaturating(), Wasserstein()]


def built(family: GAN, spec: DataSpec) -> Nets:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return family.build(spec)


def batch(spec: DataSpec, n: int = 12) -> Batch:
    rng = torch.Generator().manual_seed(0)
    x = spec.denormalize(torch.rand(n, *spec.shape, generator=rng))
    return Batch(x, no_condition(x), rng, 0, 1, torch.arange(n))


def weights(nets: Nets, name: str) -> list[Tensor]:
    return list(nets[name].parameters())


def played(family: GAN, nets: Nets, batch: Batch) -> Iterator[Loss]:
    """Each loss descended by a small plain step before the next is computed."""
    for loss in family.losses(nets, batch):
        trained = [weight for name in loss.trains for weight in weights(nets, name)]
        gradients = torch.autograd.grad(loss.value, trained)
        with torch.no_grad():
            for weight, gradient in zip(trained, gradients, strict=True):
                weight -= 0.1 * gradient
        yield loss


def test_a_gan_samples_decodes_and_interpolates() -> None:
    assert capabilities(GAN) == ("sample", "decode", "interpolate")


@pytest.mark.parametrize("spec", [PLANE, GRAY])
@pytest.mark.parametrize("game", GAMES)
def test_a_loss_reaches_every_weight_it_trains(game: AnyGame, spec: DataSpec) -> None:
    family = SMALL.model_copy(update={"game": game})
    nets = built(family, spec)
    for loss in family.losses(nets, batch(spec)):
        (name,) = loss.trains
        gradients = torch.autograd.grad(loss.value, weights(nets, name), retain_graph=True, allow_unused=True)
        # the Wasserstein game does not depend on the critic's last bias: it cancels between data and fakes
        reached = [gradient is not None and bool(gradient.abs().max() > 1e-8) for gradient in gradients]
        assert all(reached[:-1])


@pytest.mark.parametrize("game", GAMES)
def test_the_critic_does_not_pull_on_the_generator(game: AnyGame) -> None:
    family = SMALL.model_copy(update={"game": game})
    nets = built(family, PLANE)
    loss = next(family.losses(nets, batch(PLANE)))
    assert loss.trains == ("critic",)
    assert set(torch.autograd.grad(loss.value, weights(nets, "generator"), allow_unused=True)) == {None}


def test_a_step_of_the_critic_records_nothing_of_the_generator() -> None:
    family = SMALL.model_copy(update={"critic_steps": 2})
    nets, recorded = built(family, PLANE), list[bool]()
    nets["generator"].register_forward_hook(lambda *_: recorded.append(torch.is_grad_enabled()))
    assert len(list(family.losses(nets, batch(PLANE)))) == 3
    assert recorded == [False, False, True]


def test_the_critic_moves_before_the_loss_of_the_generator_is_computed() -> None:
    def generator_loss(*, critic_moves: bool) -> float:
        nets = built(SMALL, PLANE)
        losses = played(SMALL, nets, batch(PLANE)) if critic_moves else SMALL.losses(nets, batch(PLANE))
        return list(losses)[-1].value.item()

    assert generator_loss(critic_moves=True) != generator_loss(critic_moves=False)


def test_the_critic_takes_its_steps_before_the_generator_takes_one() -> None:
    family = SMALL.model_copy(update={"critic_steps": 3})
    losses = list(family.losses(built(family, PLANE), batch(PLANE)))
    assert [loss.name for loss in losses] == ["critic", "critic", "critic", "generator"]
    assert len({loss.value.item() for loss in losses[:3]}) == 3  # own share of the batch, own fakes


def test_a_batch_shorter_than_the_critic_steps_makes_finite_losses() -> None:
    family = SMALL.model_copy(update={"critic_steps": 5})
    losses = list(family.losses(built(family, PLANE), batch(PLANE, n=2)))
    assert len(losses) == 3
    assert all(loss.value.isfinite() for loss in losses)


def test_samples_of_bounded_data_stay_in_their_range() -> None:
    nets = built(SMALL, GRAY)
    with torch.no_grad():
        for weight in weights(nets, "generator"):
            weight *= 3  # far into the tanh
    x = sample(SMALL.sampler(nets, Options()), Noise.rows(0, 200))
    assert x.shape == (200, 1, 8, 8)
    assert x.min() >= 0
    assert x.max() <= 16
    assert x.max() - x.min() > 15


def test_a_sample_is_the_decoded_draw_of_the_prior() -> None:
    nets, noise = built(SMALL, PLANE), Noise.rows(7, 5)
    z = SMALL.prior(nets, noise, no_condition(noise))
    assert z.shape == (5, *SMALL.latent_shape(PLANE))
    assert torch.equal(sample(SMALL.sampler(nets, Options()), noise), SMALL.decode(nets, z, no_condition(z)))


def test_the_same_batch_gives_the_same_losses() -> None:
    nets = built(SMALL, PLANE)
    first, second = ([loss.value.item() for loss in SMALL.losses(nets, batch(PLANE))] for _ in range(2))
    assert first == second


LABELLED = DataSpec(shape=(2,), condition=Labels(n_classes=3))
VECTORS = DataSpec(shape=(2,), condition=Vector(shift=(0.0, 0.0), scale=(1.0, 1.0)))


def conditional_batch(spec: DataSpec) -> Batch:
    rng = torch.Generator().manual_seed(0)
    c = F.one_hot(torch.arange(12) % 3, 3).float() if spec is LABELLED else torch.randn(12, 3, generator=rng)
    return batch(spec)._replace(c=c)


@pytest.mark.parametrize("conditioned_by", ["concatenation", "projection", "classifier"])
@pytest.mark.parametrize("spec", [LABELLED, VECTORS], ids=["labels", "vectors"])
def test_a_conditional_gan_trains_every_weight_and_draws_by_the_condition(spec: DataSpec, conditioned_by: str) -> None:
    family = GAN.model_validate({**SMALL.model_dump(), "conditioned_by": conditioned_by})
    if conditioned_by == "classifier" and spec is VECTORS:
        with pytest.raises(InvalidData, match="choose conditioned_by concatenation or projection"):
            family.check(spec)
        return
    nets = built(family, spec)
    for loss in family.losses(nets, conditional_batch(spec)):
        for gradient in torch.autograd.grad(loss.value, weights(nets, loss.trains[0]), retain_graph=True):
            assert bool(gradient.abs().max() > 1e-9)
    z, (a, b) = torch.zeros(1, 3), torch.eye(3)[:2, None]
    assert not torch.equal(family.decode(nets, z, a), family.decode(nets, z, b))
    assert capabilities(family) == ("sample", "decode", "interpolate")


def test_a_projection_critic_adds_a_product_of_features_and_condition() -> None:
    """f(x, c) = w^T phi(x) + b + (V c)^T phi(x)."""
    nets = built(GAN.model_validate({**SMALL.model_dump(), "conditioned_by": "projection"}), LABELLED)
    critic, x, c = nets["critic"], torch.randn(4, 2), torch.eye(3)[[0, 1, 2, 0]]
    phi = critic.features(x)
    by_hand = critic.score(phi) + (c @ critic.projection.weight.T * phi).sum(1, keepdim=True)
    torch.testing.assert_close(critic(x, c), by_hand)


def test_an_auxiliary_classifier_adds_cross_entropy_to_both_players() -> None:
    with_labels = GAN.model_validate({**SMALL.model_dump(), "conditioned_by": "classifier", "regularizers": ()})
    nets, b = built(with_labels, LABELLED), conditional_batch(LABELLED)
    critic_loss, generator_loss = (loss.value for loss in with_labels.losses(nets, b))
    rng = torch.Generator().manual_seed(0)
    torch.rand(12, 2, generator=rng)  # of the rows
    first, second = (with_labels.fake(nets, b.c, rng) for _ in range(2))
    critic, u = nets["critic"], nets.spec.normalize(b.x)
    label = b.c.argmax(1)
    missed = [F.cross_entropy(critic.classify(x), label) for x in (u, first, second)]
    game = NonSaturating()
    torch.testing.assert_close(critic_loss, game.critic_loss(critic(u), critic(first)) + missed[0] + missed[1])
    torch.testing.assert_close(generator_loss, game.generator_loss(critic(second), critic(u)) + missed[2])


def test_two_time_scales_are_ratios_to_the_learning_rate_of_the_run() -> None:
    family = SMALL.model_copy(update={"critic_lr_ratio": 4.0})
    assert [loss.lr_ratio for loss in family.losses(built(family, PLANE), batch(PLANE))] == [4.0, 1.0]
