"""Masked perceptrons that are too narrow are refused by every family that has one."""

import pytest
import torch

from pushforward.models.errors import InvalidData
from pushforward.models.families.autoregressive import Autoregressive, Made
from pushforward.models.families.flow import Flow
from pushforward.models.families.vae import VAE
from pushforward.models.family import Family
from pushforward.models.flows.dequantization import Variational
from pushforward.models.latents.posteriors import FlowPosterior
from pushforward.models.latents.priors import FlowPrior
from pushforward.models.networks import MADE
from pushforward.models.spec.data_spec import DataSpec

D = 20
TABLE = DataSpec(shape=(D,))
LEVELS = DataSpec(shape=(D,), low=0, high=3, levels=4, shift=(1.5,), scale=(1.5,))


@pytest.mark.parametrize(
    ("family", "spec", "field"),
    [
        (Flow(scheme="autoregressive", width=D - 1), TABLE, "width"),
        (Flow(scheme="inverse_autoregressive", width=D - 1), TABLE, "width"),
        (Flow(dequantization=Variational(width=D - 1)), LEVELS, "dequantization.width"),
        (Autoregressive(network=Made(width=D - 1)), LEVELS, "network.width"),
        (VAE(latent=D, prior_codes=FlowPrior(scheme="autoregressive", width=D - 1)), TABLE, "prior_codes.width"),
        (VAE(latent=D, posterior=FlowPosterior(width=D - 1)), TABLE, "posterior.width"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_fewer_units_than_elements_are_refused(family: Family, spec: DataSpec, field: str) -> None:
    with pytest.raises(InvalidData, match=f"take at least {D}") as refusal:
        family.check(spec)
    assert refusal.value.field == f"run.family.{field}"


def test_couplings_may_be_narrow() -> None:
    Flow(width=2).check(TABLE)
    VAE(latent=D, prior_codes=FlowPrior(width=2), posterior=FlowPosterior(scheme="coupling", width=2)).check(TABLE)


def test_with_a_unit_for_each_element_all_are_read_by_those_after_them() -> None:
    family = Flow(scheme="autoregressive", n_transforms=1, width=D)
    torch.manual_seed(0)
    nets = family.build(TABLE).double()
    for weight in nets.parameters():
        weight.data = torch.randn_like(weight)
    jacobian = torch.autograd.functional.jacobian(lambda v: nets["flow"](v)[0][0], torch.randn(1, D).double())[:, 0]
    assert (jacobian.tril() != 0).sum() == D * (D + 1) // 2
    assert (jacobian.triu(1) == 0).all()


def test_a_default_width_is_large_enough() -> None:
    spec = DataSpec(shape=(1, 24, 24), low=0, high=1, levels=2, shift=(0.5,), scale=(0.5,))  # 576 elements
    family = Autoregressive()
    family.check(spec)
    made = family.build(spec)["conditionals"]
    assert isinstance(made, MADE)
    seen = made.out.mask[: spec.size]
    for layer in list(made.hidden)[::-1]:
        seen = (seen @ layer.mask > 0).float()
    assert torch.equal(seen, torch.ones(spec.size, spec.size).tril(-1))
