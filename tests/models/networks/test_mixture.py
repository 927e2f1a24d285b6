"""The mixture of Gaussians against scipy (float64)."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from pushforward.models.networks.mixture import GaussianMixture


def mixture(components: int, size: int, condition_size: int = 0) -> GaussianMixture:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = GaussianMixture(components, size, condition_size).double().requires_grad_(False)
        for weight in net.parameters():
            weight.copy_(torch.randn(weight.shape) * 0.5)
    return net


def none(n: int) -> torch.Tensor:
    """C of n rows without a condition."""
    return torch.empty(n, 0, dtype=torch.float64)


@pytest.mark.parametrize(("components", "size"), [(1, 3), (4, 2), (3, 1)])
def test_its_density_is_that_of_the_mixture(components: int, size: int) -> None:
    net = mixture(components, size)
    z = torch.randn(6, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    log_w, cholesky = net.logits.log_softmax(0).numpy(), net.cholesky().numpy()
    each = [
        log_w[k] + multivariate_normal(net.mean[k].numpy(), cholesky[k] @ cholesky[k].T).logpdf(z.numpy())
        for k in range(components)
    ]
    assert net.log_prob(z, none(6)).numpy() == pytest.approx(logsumexp(np.array(each), axis=0), rel=1e-9)


def test_its_draws_have_its_moments() -> None:
    net, n = mixture(3, 2), 200_000
    rng = torch.Generator().manual_seed(2)
    z = net(torch.randn(n, 2, generator=rng).double(), torch.rand(n, 1, generator=rng).double(), none(n))
    w, mean, cholesky = net.logits.softmax(0), net.mean, net.cholesky()
    expected = w @ mean
    second = torch.einsum("k,kij->ij", w, cholesky @ cholesky.transpose(1, 2) + mean[:, :, None] * mean[:, None])
    assert float(((z.mean(0) - expected) / (z.std(0) / n**0.5)).abs().max()) < 5
    products = z[:, :, None] * z[:, None]
    assert float(((products.mean(0) - second) / (products.std(0) / n**0.5)).abs().max()) < 5


def test_a_draw_is_made_by_the_component_its_uniform_picks() -> None:
    net, rng = mixture(3, 2), torch.Generator().manual_seed(3)
    eps, u01 = torch.randn(40, 2, generator=rng).double(), torch.rand(40, 1, generator=rng).double()
    picked = np.searchsorted(net.logits.softmax(0).cumsum(0).numpy()[:-1], u01[:, 0].numpy())
    assert set(picked) == {0, 1, 2}
    expected = [net.mean[k] + net.cholesky()[k] @ row for k, row in zip(picked, eps, strict=True)]
    torch.testing.assert_close(net(eps, u01, none(40)), torch.stack(expected))


def test_a_draw_of_one_component_needs_no_uniform() -> None:
    net = mixture(1, 2)
    eps = torch.ones(2, 2, dtype=torch.float64)
    z = net(eps, torch.tensor([[0.001], [0.999]]), none(2))
    assert torch.equal(z[0], z[1])
    assert torch.allclose(z[0], net.mean[0] + net.cholesky()[0].sum(1))


def test_a_condition_moves_and_stretches_it() -> None:
    net, rng = mixture(3, 2, condition_size=2), torch.Generator().manual_seed(4)
    eps, u01 = torch.randn(40, 2, generator=rng).double(), torch.rand(40, 1, generator=rng).double()
    c = torch.eye(2, dtype=torch.float64).repeat(20, 1)
    assert net.given is not None
    m, s = net.given.weight.T[c.argmax(1)].chunk(2, dim=1)
    plain, given = mixture(3, 2), {name: weight for name, weight in net.state_dict().items() if "given" not in name}
    plain.load_state_dict(given)
    e = plain(eps, u01, none(40))
    z = net(eps, u01, c)
    torch.testing.assert_close(z, m + s.exp() * e)
    torch.testing.assert_close(net.log_prob(z, c), plain.log_prob(e, none(40)) - s.sum(1))


def test_before_it_is_trained_a_condition_changes_nothing() -> None:
    net = GaussianMixture(2, 3, condition_size=4)
    z, c = torch.randn(5, 3, generator=torch.Generator().manual_seed(5)), torch.eye(4)[:1].expand(5, -1)
    assert torch.equal(net.log_prob(z, c), net.log_prob(z, torch.zeros(5, 4)))
