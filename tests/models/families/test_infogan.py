"""InfoGAN: who descends on what, what codes hold, and what a short training tells of them."""

from math import log
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from pushforward.models.adversarial.games import AnyGame, Wasserstein
from pushforward.models.capabilities import capabilities
from pushforward.models.config.config import Options
from pushforward.models.families.infogan import InfoGAN
from pushforward.models.family import reconstruct
from pushforward.models.geometry.interpolation import linear
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.run import Run
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import no_condition, sample
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

GRAY = DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17, shift=(8.0,), scale=(8.0,))
SMALL = InfoGAN(latent=3, categories=4, continuous=2, width=4, depth=2)


def batch(spec: DataSpec = GRAY, n: int = 12) -> Batch:
    rng = torch.Generator().manual_seed(0)
    x = spec.denormalize(torch.rand(n, *spec.shape, generator=rng))
    return Batch(x, no_condition(x), rng, 0, 1, torch.arange(n))


def weights(nets: Nets, *names: str) -> list[Tensor]:
    return [weight for name in names for weight in nets[name].parameters()]


def test_it_encodes_what_data_tell_of_its_codes() -> None:
    assert capabilities(InfoGAN) == ("sample", "encode", "decode", "reconstruct", "interpolate")


def test_generator_and_posterior_descend_together_and_the_critic_alone() -> None:
    losses = list(SMALL.model_copy(update={"critic_steps": 2}).losses(SMALL.build(GRAY), batch()))
    assert [loss.trains for loss in losses] == [("critic",), ("critic",), ("generator", "posterior")]
    assert set(losses[-1].terms) == {"category_information_nats", "continuous_information_nats"}


def test_information_is_taken_off_the_loss_by_its_weights() -> None:
    """min V - lambda L_I."""
    nets = SMALL.build(GRAY)
    *_, loss = SMALL.losses(nets, batch())
    *_, game = SMALL.model_copy(update={"category_weight": 0.0, "continuous_weight": 0.0}).losses(nets, batch())
    told = loss.terms["category_information_nats"] + 0.1 * loss.terms["continuous_information_nats"]
    torch.testing.assert_close(loss.value, game.value - told)


def test_without_weights_nothing_pulls_on_the_posterior() -> None:
    nets = SMALL.build(GRAY)
    *_, loss = SMALL.model_copy(update={"category_weight": 0.0, "continuous_weight": 0.0}).losses(nets, batch())
    assert not any(slope.any() for slope in torch.autograd.grad(loss.value, weights(nets, "posterior")))


def test_encoded_rows_are_probabilities_and_means_and_no_noise() -> None:
    nets, rows = SMALL.build(GRAY), batch()
    z = SMALL.encode(nets, rows.x, rows.c)
    assert z.shape == (12, *SMALL.latent_shape(GRAY))
    assert not z[:, :3].any()
    torch.testing.assert_close(z[:, 3:7].sum(1), torch.ones(12))
    assert z[:, 7:].abs().max() <= 1
    torch.testing.assert_close(reconstruct(SMALL, nets, rows.x, rows.c), SMALL.decode(nets, z, rows.c))


def test_a_path_between_two_codes_sweeps_what_they_differ_in() -> None:
    assert SMALL.natural_path == "linear"
    start, end = SMALL.prior(SMALL.build(GRAY), Noise.rows(0, 1), torch.zeros(1, 0)).repeat(2, 1)
    start[-1], end[-1] = -1.0, 1.0
    swept = linear(start, end, 5)
    assert swept[:, -1].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert torch.equal(swept[:, :-1], start[:-1].expand(5, -1))


def test_a_sample_is_the_decoded_draw_of_the_prior() -> None:
    nets, noise = SMALL.build(GRAY), Noise.rows(7, 5)
    z = SMALL.prior(nets, noise, no_condition(noise))
    assert torch.equal(sample(SMALL.sampler(nets, Options()), noise), SMALL.decode(nets, z, no_condition(z)))


@torch.no_grad()
def test_the_card_tells_the_bound_beside_the_entropy() -> None:
    rows = batch()
    metrics = SMALL.diagnose(SMALL.build(GRAY), rows.x, rows.c, Noise.rows(0, 12))
    assert metrics["category_entropy_nats"] == log(4)
    assert metrics["continuous_entropy_nats"] == 2 * log(2)
    assert metrics["category_information_bound_nats"] < 0.2  # untrained


@pytest.mark.parametrize("game", [Wasserstein(), "began", "hinge"])
@pytest.mark.parametrize("network", ["plain", "progressive"])
def test_any_game_and_architecture_takes_codes(game: AnyGame | str, network: str) -> None:
    given = {"game": game} if isinstance(game, str) else game.model_dump()
    family = InfoGAN.model_validate(SMALL.model_dump() | {"game": given, "network": {"network": network}})
    nets = family.build(GRAY)
    for loss in family.losses(nets, batch()):
        trained = [weight for name in loss.trains for weight in nets.get_submodule(name).parameters()]
        assert all(slope.isfinite().all() for slope in torch.autograd.grad(loss.value, trained))


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ValidationError, match="nothing holds the critic's slope"):
        InfoGAN.model_validate({"family": "infogan", "game": {"game": "wasserstein"}, "regularizers": []})


def test_a_short_training_tells_the_category(tmp_path: Path) -> None:
    run = Run.model_validate({
        "family": {"family": "infogan", "latent": 2, "categories": 8, "continuous": 0, "width": 64, "depth": 2},
        "data": {"source": "eight_gaussians"},
        "optimizer": {"lr": 1e-3, "batch_size": 128},
        "budget": {"steps": 150},
    })  # fmt: skip
    data = load_data(run, tmp_path)
    state = fresh(run, data, torch.device("cpu"))
    for _ in train(data, state):
        pass
    assert 0.9 * log(8) < state.losses["category_information_nats"].item() <= log(8)
