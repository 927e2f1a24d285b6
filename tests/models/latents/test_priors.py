"""Priors: their densities and draws go together (float64)."""

import pytest
import torch
from torch import Tensor, nn

from pushforward.models.distributions.gaussians import standard_log_prob
from pushforward.models.latents.priors import FlowPrior, Standard
from pushforward.models.networks import Nets
from pushforward.models.spec.data_spec import DataSpec

Z, C = 3, 2


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def built(prior: FlowPrior, condition_size: int) -> Nets:
    nets = Nets(DataSpec(shape=(1,)), **prior.networks(Z, condition_size)).double().requires_grad_(False)
    for parameter in nets.parameters():
        nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(0))
    return nets


KINDS = [
    {"scheme": scheme, "transform": {"transform": transform}}
    for scheme in ("coupling", "autoregressive")
    for transform in ("affine", "spline")
]


@pytest.mark.parametrize("condition_size", [0, C])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join([kind["scheme"], kind["transform"]["transform"]]))
def test_the_density_of_a_push_is_that_of_a_change_of_variables(kind: dict[str, object], condition_size: int) -> None:
    """T18, T19."""
    prior = FlowPrior.model_validate(kind | {"n_transforms": 2, "width": 16})
    nets, e, c = built(prior, condition_size), normal(1, Z), normal(1, condition_size, seed=1)
    z = prior.push(nets, e, c)
    assert prior.base(nets, z, c).numpy() == pytest.approx(e.numpy(), abs=1e-9)
    jacobian = torch.autograd.functional.jacobian(lambda e: prior.push(nets, e, c)[0], e)[:, 0]
    expected = standard_log_prob(e) - torch.linalg.slogdet(jacobian).logabsdet
    assert float(prior.log_prob(nets, z, c)) == pytest.approx(float(expected), rel=1e-6)


def test_a_flow_prior_starts_standard_and_depends_on_what_it_is_told_later() -> None:
    prior, standard = FlowPrior(), Standard()
    nets, z, c = Nets(DataSpec(shape=(1,)), **prior.networks(Z, C)).double(), normal(5, Z), normal(5, C, seed=1)
    start = prior.log_prob(nets, z, c).detach()
    assert start.numpy() == pytest.approx(standard.log_prob(nets, z, c).numpy(), rel=1e-12)
    later = built(prior, C)
    assert not torch.allclose(prior.push(later, z, c), prior.push(later, z, c.flip(0)))


def test_the_standard_prior_learns_nothing() -> None:
    assert Standard().networks(Z, C) == {}


@pytest.mark.parametrize(("scheme", "told"), [("coupling", 1 * 2), ("autoregressive", 1 + 2)])
def test_a_coupling_reads_one_half_and_an_autoregressive_flow_all_before(scheme: str, told: int) -> None:
    """How many numbers of the base depend on another one, after one transform."""
    prior = FlowPrior.model_validate({"scheme": scheme, "n_transforms": 1, "width": 16})
    nets, z = built(prior, 0), normal(1, Z)
    jacobian = torch.autograd.functional.jacobian(lambda z: prior.base(nets, z, z[:, :0])[0], z)[:, 0]
    assert int((jacobian - jacobian.diagonal().diag()).count_nonzero()) == told
