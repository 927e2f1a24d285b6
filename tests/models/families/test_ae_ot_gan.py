"""AE-OT-GAN: first an autoencoder, then its decoder against a critic, held at the pairs of rows and codes."""

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from pushforward.models.capabilities import capabilities
from pushforward.models.config.config import Options
from pushforward.models.data import EightGaussians
from pushforward.models.errors import InvalidData
from pushforward.models.evaluation.held_out import evaluate
from pushforward.models.evaluation.sample_metrics import modes
from pushforward.models.families.ae_ot_gan import AEOTGAN
from pushforward.models.latents.transported_codes import semi_discrete
from pushforward.models.losses import Batch, Loss
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.run import Run
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import sample
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

PLANE = DataSpec(shape=(2,), n_rows=50)
TINY = AEOTGAN(latent=2, width=16, draws=64)


def batch(step: int, n: int = 12) -> Batch:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(n, 2, generator=rng)
    return Batch(x, x[:, :0], rng, step, 10, torch.arange(n))


def losses(nets: Nets, step: int, family: AEOTGAN = TINY) -> dict[str, Loss]:
    return {loss.name: loss for loss in family.losses(nets, batch(step))}


def inverting() -> Nets:
    """Networks whose decoder is the inverse of their encoder."""
    nets = TINY.build(PLANE)
    matrix = torch.tensor([[2.0, 1.0], [0.0, -1.0]])
    for name, each in (("encoder", matrix), ("decoder", torch.linalg.inv(matrix))):
        nets[name] = torch.nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            nets[name].weight.copy_(each)
    return nets


def test_it_samples_and_walks_both_ways_and_has_no_density() -> None:
    assert capabilities(AEOTGAN) == ("sample", "encode", "decode", "reconstruct", "interpolate")


def test_data_that_never_end_are_refused_naming_n() -> None:
    with pytest.raises(InvalidData, match="give n"):
        TINY.build(DataSpec(shape=(2,)))


def test_the_autoencoder_trains_first_and_its_decoder_alone_then() -> None:
    nets = TINY.build(PLANE)
    first, then = ({name: loss.trains for name, loss in losses(nets, step).items()} for step in (4, 5))
    always = {"transport_energy": ("transport",), "critic": ("critic",)}
    assert first == always | {"cost": ("encoder", "decoder")}
    assert then == always | {"generator": ("decoder",)}


def test_pairs_cost_nothing_where_the_generator_inverts_the_encoder() -> None:
    nets = inverting()
    assert losses(nets, 9)["generator"].terms["generator_cost"].item() == pytest.approx(0, abs=1e-10)
    assert losses(nets, 0)["cost"].value.item() == pytest.approx(0, abs=1e-10)


def test_pairs_cost_the_squared_distance_from_the_row_where_it_does_not() -> None:
    nets, x = inverting(), batch(9).x
    with torch.no_grad():
        nets["decoder"].weight.mul_(1.5)  # G(E(x)) = 1.5 x
    cost = losses(nets, 9)["generator"].terms["generator_cost"]
    torch.testing.assert_close(cost, 0.25 * x.square().sum(1).mean())


def test_the_generator_descends_on_the_game_and_the_pairs_by_their_weights() -> None:
    nets = TINY.build(PLANE)

    def value(a: float, b: float) -> Tensor:
        family = TINY.model_copy(update={"adversarial_weight": a, "pair_weight": b})
        return losses(nets, 9, family)["generator"].value

    torch.testing.assert_close(value(2.0, 3.0), 2 * value(1.0, 0.0) + 3 * value(0.0, 1.0))
    torch.testing.assert_close(value(0.0, 1.0), losses(nets, 9)["generator"].terms["generator_cost"])


def test_codes_are_those_of_the_encoder_in_both_parts() -> None:
    for step in (0, 9):
        nets, rows = TINY.build(PLANE), batch(step)
        losses(nets, step)
        torch.testing.assert_close(semi_discrete(nets).codes[:12], TINY.encode(nets, rows.x, rows.c))


def test_a_game_that_nothing_holds_is_refused() -> None:
    with pytest.raises(ValidationError, match="nothing holds the critic's slope"):
        AEOTGAN.model_validate({"family": "ae_ot_gan", "game": {"game": "wasserstein"}, "regularizers": []})


def test_every_mode_is_reached(tmp_path: Path) -> None:
    run = Run.model_validate({
        "family": {"family": "ae_ot_gan", "latent": 2, "width": 64, "angle": 0.3, "draws": 512},
        "data": {"source": "eight_gaussians", "n": 300},
        "optimizer": {"lr": 4e-3, "batch_size": 100, "decay": "cosine"},
        "budget": {"steps": 500},
    })  # fmt: skip
    data = load_data(run, tmp_path)
    state = fresh(run, data, torch.device("cpu"))
    for _ in train(data, state):
        pass
    assert isinstance(state.run.family, AEOTGAN)
    x = sample(state.run.family.sampler(state.served, Options()), Noise.rows(0, 4000))
    found = modes(x.numpy(), EightGaussians.centers, EightGaussians.mode_std)
    assert found.found == 8
    assert found.high_quality > 0.9
    assert evaluate(data, state)["cell_mass_error"] < 0.3
