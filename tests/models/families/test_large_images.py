"""Families of convolutions take images up to 64x64, of one, three or four channels and of any aspect."""

from typing import Any

import pytest
import torch

from pushforward.models.families import FAMILIES
from pushforward.models.family import Family, Samples
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import sample

BYTES: dict[str, Any] = {"low": 0, "high": 255, "levels": 256, "shift": (127.5,), "scale": (127.5,)}
CHOSEN: list[dict[str, Any]] = [
    {"family": "vae"},
    {"family": "ae"},
    {"family": "wae"},
    {"family": "gan", "network": {"network": "dcgan"}},
    {"family": "gan", "network": {"network": "residual"}},
    {"family": "gan", "network": {"network": "progressive"}},
    {"family": "diffusion"},
    {"family": "flow_matching"},
]


def name(fields: dict[str, Any]) -> str:
    return "-".join([fields["family"], *fields.get("network", {}).values()])


def built(fields: dict[str, Any], shape: tuple[int, ...]) -> tuple[Family, Nets]:
    family = FAMILIES[fields["family"]].model_validate(fields)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return family, family.build(DataSpec(shape=shape, n_rows=20, **BYTES))


@pytest.mark.parametrize("shape", [(3, 64, 64), (4, 24, 40), (1, 64, 8)], ids=str)
@pytest.mark.parametrize("fields", CHOSEN, ids=name)
def test_a_family_descends_on_large_images(fields: dict[str, Any], shape: tuple[int, ...]) -> None:
    family, nets = built(fields, shape)
    x = torch.randint(256, (4, *shape), generator=torch.Generator().manual_seed(0)).float()
    batch = Batch(x, torch.empty(4, 0), torch.Generator().manual_seed(1), step=99, total_steps=100, row=torch.arange(4))
    for loss in family.losses(nets, batch):
        parts = [weight for name in loss.trains for weight in nets.get_submodule(name).parameters()]
        gradients = torch.autograd.grad(loss.value, parts, allow_unused=True)
        assert loss.value.isfinite()
        assert any(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)


@pytest.mark.parametrize("shape", [(3, 64, 64), (4, 24, 40)], ids=str)
@pytest.mark.parametrize("fields", CHOSEN[2:], ids=name)
def test_samples_of_large_images_have_their_shape(fields: dict[str, Any], shape: tuple[int, ...]) -> None:
    family, nets = built(fields, shape)
    assert isinstance(family, Samples)
    drawn = sample(family.sampler(nets.eval(), family.SampleOptions()), Noise.rows(0, 2))
    assert drawn.shape == (2, *shape)
    assert drawn.isfinite().all()
