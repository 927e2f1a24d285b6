"""The GAN: who moves when, on which gradients, and what it draws."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from pushforward.models.adversarial.games import AnyGame, NonSaturating, Wasserstein
from pushforward.models.config.config import Options
from pushforward.models.families.gan import GAN
from pushforward.models.family import capabilities
from pushforward.models.losses import Batch, Loss
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
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
