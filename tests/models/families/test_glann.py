"""Generative latent nearest neighbors: codes, the map to them, and what is refused."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pushforward.models.capabilities import capabilities
from pushforward.models.errors import InvalidData
from pushforward.models.families.glann import GLANN, DescentOptions
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.run import Run
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.mapping import apply
from pushforward.models.stepwise.sampling import sample
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

PLANE = DataSpec(shape=(2,), n_rows=50)
TINY = GLANN(latent=2, width=16, mapping_width=16, draws=64)


def built(family: GLANN = TINY, spec: DataSpec = PLANE) -> Nets:
    torch.manual_seed(0)
    return family.build(spec)


def batch(row: Tensor) -> Batch:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(len(row), 2, generator=rng)
    return Batch(x, x[:, :0], rng, 0, 10, row)


def test_it_samples_and_walks_both_ways_and_has_no_density() -> None:
    assert capabilities(GLANN) == ("sample", "encode", "decode", "reconstruct", "interpolate")
    assert "estimate" in TINY.notes[0]


def test_data_that_never_end_are_refused_naming_n() -> None:
    with pytest.raises(InvalidData, match="give n") as refusal:
        TINY.build(DataSpec(shape=(2,)))
    assert refusal.value.field == "run.data.n"


def test_a_row_moves_its_own_code_and_no_other() -> None:
    nets, row = built(), torch.tensor([3, 7])
    loss = next(TINY.losses(nets, batch(row)))
    assert loss.trains == ("codes", "generator")
    (slope,) = torch.autograd.grad(loss.value, list(nets["codes"].parameters()))
    assert slope.abs().sum(1).nonzero()[:, 0].tolist() == [3, 7]


def test_the_map_to_the_codes_does_not_move_them() -> None:
    nets = built()
    *_, second = TINY.losses(nets, batch(torch.arange(8)))
    assert second.trains == ("mapping",)
    slopes = torch.autograd.grad(second.value, list(nets["codes"].parameters()), allow_unused=True)
    assert slopes == (None,)


def test_each_code_pulls_the_nearest_draw() -> None:
    """IMLE by hand, for the identity map."""
    nets = Nets(PLANE, mapping=nn.Identity())
    z, e = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.5, 0.0], [5.0, 5.0], [1.0, 2.0]])
    assert TINY.nearest_square(nets, z, e).item() == pytest.approx((0.25 + 1.0) / 2)


def test_a_sample_is_the_image_of_mapped_noise() -> None:
    nets, noise = built(), Noise.rows(0, 4)
    drawn = sample(TINY.sampler(nets, TINY.SampleOptions()), noise)
    expected = nets["generator"](nets["mapping"](noise.normal(0, (2,))))
    torch.testing.assert_close(drawn, expected)


def test_more_steps_find_a_nearer_image() -> None:
    nets, x = built(), torch.randn(6, 2, generator=torch.Generator().manual_seed(1))
    errors = [
        (TINY.decode(nets, apply(TINY.encoder(nets, DescentOptions(steps=n)), x, x[:, :0]), x) - x)
        .square()
        .sum()
        .item()
        for n in (1, 100)
    ]
    assert errors[1] < errors[0]


def test_training_brings_images_near_their_rows() -> None:
    run = Run.model_validate({
        "family": {"family": "glann", "latent": 2, "width": 64, "draws": 256},
        "data": {"source": "eight_gaussians", "n": 200},
        "optimizer": {"lr": 1e-2, "batch_size": 100},
        "budget": {"steps": 200},
    })  # fmt: skip
    data = load_data(run, Path())
    state = fresh(run, data, torch.device("cpu"))
    costs = [state.losses["cost"].item() for state in train(data, state)]
    assert costs[-1] < 0.5 * costs[0]
