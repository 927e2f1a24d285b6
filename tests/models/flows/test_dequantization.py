"""Dequantization against a Gaussian density whose level probabilities are known."""

from math import erf, log, sqrt

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from pushforward.models.flows.dequantization import DEQUANTIZER, Uniform, Variational, dequantize, level_log_volume
from pushforward.models.flows.logit import from_reals, to_reals
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.variational.importance import importance_weighted_bound

SPEC = DataSpec(shape=(1,), low=0, high=7, levels=8)
DENSITY = Normal(torch.tensor(-0.2, dtype=torch.float64), torch.tensor(0.8, dtype=torch.float64))


def quadrature(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Gauss-Legendre nodes and weights on (0, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return torch.from_numpy(nodes + 1)[:, None] / 2, torch.from_numpy(weights) / 2


def test_the_bound_of_a_gaussian_is_below_its_level_probability_by_a_known_gap() -> None:
    """T31: bins [y, y + 1) of N(.3, .8^2) are our centered bins of N(-.2, .8^2)."""
    u01, weight = quadrature(40)
    level = dequantize(SPEC, torch.zeros(40, 1, dtype=torch.float64), u01)
    bound = float(weight @ DENSITY.log_prob(level)[:, 0]) + level_log_volume(SPEC)
    log_probability = log(0.5 * (erf(0.7 / 0.8 / sqrt(2)) - erf(-0.3 / 0.8 / sqrt(2))))
    assert abs(bound - -0.79214915) < 1e-8
    assert abs(log_probability - -0.78661686) < 1e-8


def test_bins_that_begin_at_their_level_are_another_convention() -> None:
    """Erratum: the notes use [y, y + 1) and [y - 1/2, y + 1/2); a density of the one is off under the other."""
    theirs = Normal(torch.tensor(0.3, dtype=torch.float64), 0.8)
    u01, weight = quadrature(40)
    levels = torch.arange(-6.0, 7.0, dtype=torch.float64)
    centered = torch.stack([weight @ theirs.log_prob(dequantize(SPEC, y, u01))[:, 0].exp() for y in levels])
    begun = torch.stack([weight @ theirs.log_prob(y + u01)[:, 0].exp() for y in levels])
    assert abs(float(begun[6].log()) - -0.78661686) < 1e-8
    assert abs(float(centered[6].log()) - -0.78661686) > 0.03
    assert abs(float((centered - begun) @ levels) - 0.5) < 1e-4


class Posterior(nn.Module):
    """f of `Variational` with which q(u|y) = p(u|y): u = F^-1 of u_0 between the ends of the bin."""

    def forward(self, w0: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        y = SPEC.denormalize(given)
        low, high = DENSITY.cdf(y - 0.5), DENSITY.cdf(y + 0.5)
        x = DENSITY.icdf(low + (high - low) * torch.sigmoid(w0))
        w = torch.logit(x - y + 0.5)
        log_q = DENSITY.log_prob(x) - (high - low).log()
        return w, (log_sigmoid_slope(w0) - log_sigmoid_slope(w) - log_q).sum(1)


def log_sigmoid_slope(w: Tensor) -> Tensor:
    return (torch.sigmoid(w) * torch.sigmoid(-w)).log()


def test_the_true_posterior_as_a_variational_dequantization_closes_the_gap() -> None:
    """T32: q = p(u|y) gives every draw log P(y), -.78661686 for y = 0."""
    y = torch.arange(3, dtype=torch.float64).repeat_interleave(50)[:, None]
    u01 = Noise.rows(3, 150).uniform(0, (1,)).double()
    u, log_q = Variational().draw(Nets(SPEC, **{DEQUANTIZER: Posterior()}), y, y[:, :0], u01)
    log_w = DENSITY.log_prob(dequantize(SPEC, y, u))[:, 0] + level_log_volume(SPEC) - log_q
    assert torch.allclose(log_w[:50], torch.full((50,), -0.78661686, dtype=torch.float64), atol=1e-7)
    log_probability = (DENSITY.cdf(y + 0.5) - DENSITY.cdf(y - 0.5)).log()[:, 0]
    assert torch.allclose(log_w, log_probability, atol=1e-6)


def test_a_uniform_dequantization_has_density_one() -> None:
    u01 = Noise.rows(3, 4).uniform(0, (1,))
    u, log_q = Uniform().draw(Nets(SPEC), u01, u01[:, :0], u01)
    assert torch.equal(u, u01)
    assert torch.equal(log_q, torch.zeros(4))


def test_a_variational_density_is_that_of_its_draws() -> None:
    """Log q(u|y) by autograd: u is a function of u_0, which is uniform."""
    q = Variational(width=8)
    spec = DataSpec(shape=(3,), low=0, high=7, levels=8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        nets = Nets(spec, **q.build(spec)).double()
        for weight in nets.parameters():
            weight.data += 0.3 * torch.randn_like(weight)
    y, c = torch.tensor([[1.0, 5.0, 2.0]]).double(), torch.zeros(1, 0).double()
    u01 = Noise.rows(3, 1).uniform(0, (3,)).double()
    _, log_q = q.draw(nets, y, c, u01)
    jacobian = torch.autograd.functional.jacobian(lambda at: q.draw(nets, y, c, at[None])[0][0], u01[0])
    assert torch.allclose(log_q, -torch.linalg.slogdet(jacobian).logabsdet, rtol=1e-9)


def test_averaging_densities_over_the_draws_before_the_logarithm_tightens_the_bound() -> None:
    """T33: log (1/K) sum_k p(y + u_k) rises with K: -.7921, -.7894, -.7876, -.7869 for 1, 2, 5, 20."""
    u01 = Noise.rows(0, 100_000).uniform(0, (20,)).double()
    log_p = DENSITY.log_prob(dequantize(SPEC, torch.zeros(1, dtype=torch.float64), u01))  # (N, 20)
    for k, known in ((1, -0.7921), (2, -0.7894), (5, -0.7876), (20, -0.7869)):
        estimates = importance_weighted_bound(log_p[:, :k].T)
        assert abs(float(estimates.mean()) - known) < 5 * float(estimates.std()) / len(u01) ** 0.5 + 5e-5


def test_dequantized_values_round_back_to_their_levels() -> None:
    spec = DataSpec(shape=(5,), low=-1, high=1, levels=5)
    y = torch.linspace(-1, 1, 5)[None].repeat(100, 1)
    u01 = Noise.rows(1, 100).uniform(0, (5,))
    assert torch.equal(spec.quantize(dequantize(spec, y, u01)), y)


def test_the_volume_of_a_level_is_its_bin_width_in_each_dimension() -> None:
    spec = DataSpec(shape=(1, 2, 3), low=0, high=1, levels=256)
    assert level_log_volume(spec) == 6 * log(1 / 255)


def test_a_widened_range_goes_to_the_reals_and_back() -> None:
    spec = DataSpec(shape=(17,), low=0, high=16, levels=17)
    x = torch.linspace(-0.5, 16.5, 17, dtype=torch.float64)[None]
    v, _ = to_reals(spec, x, 0.05)
    assert torch.allclose(v[0, [0, -1]], torch.tensor([log(0.05 / 0.95), log(0.95 / 0.05)], dtype=torch.float64))
    assert torch.allclose(from_reals(spec, v, 0.05), x, atol=1e-12)


def test_the_logit_tells_its_own_jacobian() -> None:
    spec = DataSpec(shape=(4,), low=-3, high=5, shift=(1.0,), scale=(4.0,))
    x = torch.tensor([[-3.0, -1.2, 2.5, 5.0]], dtype=torch.float64)
    _, log_det = to_reals(spec, x, 0.01)
    jacobian = torch.autograd.functional.jacobian(lambda row: to_reals(spec, row[None], 0.01)[0][0], x[0])
    assert torch.allclose(log_det[0], torch.linalg.slogdet(jacobian).logabsdet, rtol=1e-12)


def test_bits_per_dimension_do_not_depend_on_the_units_of_the_data() -> None:
    """T34: levels 0..255, the same levels in [0, 1), and either through a logit, give the level the same bits."""
    u01 = Noise.rows(2, 50).uniform(0, (3,)).double()
    level = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (50, 3))).double()
    base = Normal(torch.zeros((), dtype=torch.float64), 1.5)
    bits = []
    for unit in (1.0, 1 / 256):
        spec = DataSpec(shape=(3,), low=0, high=255 * unit, levels=256)
        v, log_det = to_reals(spec, dequantize(spec, level * unit, u01), 1e-3)
        log_p = base.log_prob(v).sum(1) + log_det + level_log_volume(spec)
        bits.append(-log_p / (3 * log(2)))
    # The same density written for 0..256 by hand, without the library: s in (alpha, 1 - alpha), v = logit s.
    s = 1e-3 + (1 - 2e-3) * (level + u01) / 256
    by_hand = base.log_prob((s / (1 - s)).log()) + log((1 - 2e-3) / 256) - s.log() - (1 - s).log()
    assert torch.allclose(bits[0], bits[1], rtol=1e-10)
    assert torch.allclose(bits[0], -by_hand.sum(1) / (3 * log(2)), rtol=1e-10)


def test_a_learned_dequantization_reads_the_level_and_the_condition() -> None:
    spec = DataSpec(shape=(2,), low=0, high=7, levels=8, condition=Labels(n_classes=3))
    nets = Nets(spec, **Variational(width=8).build(spec)).double().requires_grad_(False)
    for weight in nets.parameters():
        nn.init.normal_(weight, std=0.5, generator=torch.Generator().manual_seed(0))
    y, u01 = torch.tensor([[1.0, 6.0]]).double(), torch.tensor([[0.3, 0.8]]).double()
    one, other = torch.eye(3).double()[:2].split(1)
    at, _ = Variational(width=8).draw(nets, y, one, u01)
    assert not torch.allclose(at, Variational(width=8).draw(nets, y, other, u01)[0])
    assert not torch.allclose(at, Variational(width=8).draw(nets, y.flip(1), one, u01)[0])
