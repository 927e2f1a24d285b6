"""Posteriors: how draws go, and how many forward passes they take (float64)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from pushforward.models.distributions.gaussians import Full
from pushforward.models.latents.posteriors import (
    NAME,
    CholeskyPosterior,
    DiagonalPosterior,
    FlowPosterior,
    GaussianPosterior,
)
from pushforward.models.networks import Bijection, Nets
from pushforward.models.spec.data_spec import DataSpec

Z = 4


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def built(posterior: FlowPosterior) -> Nets:
    nets = Nets(DataSpec(shape=(1,)), **posterior.networks(Z)).double().requires_grad_(False)
    for parameter in nets.parameters():
        nn.init.normal_(parameter, std=0.3, generator=rng())
    return nets


@contextmanager
def counted(flow: Bijection) -> Iterator[list[int]]:
    """How often the networks of a flow are called inside."""
    calls = [0]

    def count(*_: object) -> None:
        calls[0] += 1

    hooks = [layer.hyper.register_forward_hook(count) for layer in flow.layers.transforms]
    yield calls
    for hook in hooks:
        hook.remove()


FLOWS = pytest.mark.parametrize("scheme", ["coupling", "inverse_autoregressive"])


@FLOWS
def test_the_density_of_a_draw_is_that_of_a_change_of_variables(scheme: str) -> None:
    posterior = FlowPosterior.model_validate({"scheme": scheme, "features": 3, "width": 16, "n_transforms": 2})
    nets, h, eps = built(posterior), normal(1, 2 * Z + 3), normal(1, Z, seed=1)
    z, log_q = posterior.draw(nets, h, eps)
    jacobian = torch.autograd.functional.jacobian(lambda eps: posterior.draw(nets, h, eps).z[0], eps)[:, 0]
    log_base = torch.distributions.Normal(0.0, 1.0).log_prob(eps).sum()
    assert float(log_q) == pytest.approx(float(log_base - torch.linalg.slogdet(jacobian).logabsdet), rel=1e-9)
    assert not torch.allclose(z, posterior.draw(nets, torch.cat([h[:, :-1], h[:, -1:] + 1], 1), eps).z)  # told features
    assert torch.equal(posterior.center(nets, h, Z), posterior.draw(nets, h, torch.zeros(1, Z).double()).z)


def test_a_draw_of_an_inverse_autoregressive_flow_takes_one_call_and_its_way_back_one_for_each_number() -> None:
    """T17. Erratum of the notes (S3): (slow f, fast g) with z = f(z0); f is the fast one."""
    posterior = FlowPosterior(n_transforms=3, features=0, width=16)
    nets = built(posterior)
    flow = cast("Bijection", nets[NAME])
    with counted(flow) as forward:
        z = posterior.draw(nets, normal(2, 2 * Z), normal(2, Z, seed=1)).z
    with counted(flow) as back:
        flow.inverse(z)
    assert forward == [3]
    assert back == [3 * Z]


@FLOWS
def test_a_flow_starts_as_its_base(scheme: str) -> None:
    """T22."""
    posterior = FlowPosterior.model_validate({"scheme": scheme, "features": 3})
    nets, h, eps = Nets(DataSpec(shape=(1,)), **posterior.networks(Z)).double(), normal(5, 2 * Z + 3), normal(5, Z)
    z, log_q = posterior.draw(nets, h, eps)
    base = DiagonalPosterior().draw(nets, h[:, : 2 * Z], eps)
    assert z.detach().numpy() == pytest.approx(base.z.numpy(), rel=1e-9)
    assert log_q.detach().numpy() == pytest.approx(base.log_q.numpy(), rel=1e-9)


def test_the_numbers_of_a_cholesky_posterior_are_a_mean_and_a_factor() -> None:
    """T07."""
    h = torch.tensor([[1.0, 2.0, 3.0, 0.1, -0.2, 0.3, 7.0, 8.0, 9.0]], dtype=torch.float64)
    assert h.shape[1] == CholeskyPosterior().n_parameters(3)
    q = CholeskyPosterior().gaussian(h, 3)
    assert isinstance(q, Full)
    assert q.mu.tolist() == [[1, 2, 3]]
    assert q.scale[0].tril(-1)[[1, 2, 2], [0, 0, 1]].tolist() == [7, 8, 9]
    assert q.scale[0].diagonal().log().numpy() == pytest.approx([0.1, -0.2, 0.3])
    assert float(q.scale[0].triu(1).abs().max()) == 0


@pytest.mark.parametrize("posterior", [DiagonalPosterior(), CholeskyPosterior()], ids=lambda p: p.posterior)
def test_the_three_ways_to_draw_differ_in_their_gradients_only(posterior: GaussianPosterior) -> None:
    h = normal(5, posterior.n_parameters(Z)).requires_grad_()
    eps, nets = normal(5, Z, seed=1), Nets(DataSpec(shape=(1,)))
    ways = [posterior.draw(nets, h, eps), posterior.draw_by_path(h, eps), posterior.draw_by_score(h, eps)]
    for z, log_q in ways[1:]:
        assert z.detach().numpy() == pytest.approx(ways[0].z.detach().numpy())
        assert log_q.detach().numpy() == pytest.approx(ways[0].log_q.detach().numpy())
    both, path, score = (torch.autograd.grad(way.log_q.sum(), h)[0] for way in ways)
    assert both.numpy() == pytest.approx((path + score).numpy(), abs=1e-12)
    assert not ways[2].z.requires_grad


def test_the_spread_of_a_code_has_two_ends() -> None:
    """From exp(-12) to exp(6) in variance: both are finite, and within them it is what the encoder says."""
    h = torch.tensor([[0.0] * 4 + [-13.0, -11.9, 5.9, 7.0]], dtype=torch.float64)
    q = DiagonalPosterior().gaussian(h, Z)
    assert q.draw(torch.ones(1, Z).double()).log().mul(2)[0].tolist() == pytest.approx([-12, -11.9, 5.9, 6])
