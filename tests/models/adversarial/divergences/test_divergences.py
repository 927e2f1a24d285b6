"""f-divergences between P = N(0, 1) and Q = N(.5, 1.2^2), by quadrature (float64)."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.distributions import Normal

from pushforward.models.adversarial.divergences import (
    KL,
    Alpha,
    FDivergence,
    GANDivergence,
    Jeffrey,
    JensenShannon,
    Neyman,
    Pearson,
    RatioFDivergence,
    ReverseKL,
    SquaredHellinger,
    TotalVariation,
    WeightedJensenShannon,
)
from pushforward.models.adversarial.games import FGAN, RatioFGAN
from pushforward.models.adversarial.safe import log_softplus, log_wright_omega, safe_exp

GOLD: list[tuple[FDivergence, float]] = [
    (TotalVariation(), 0.192988),
    (KL(), 0.116349),
    (ReverseKL(), 0.162678),
    (Pearson(), 0.199597),
    (Neyman(), 0.740228),
    (SquaredHellinger(), 0.066624),
    (Jeffrey(), 0.279028),
    (JensenShannon(), 0.064194),
    (WeightedJensenShannon(pi=0.3), 0.025725),
    (GANDivergence(), -1.322101),
    (Alpha(alpha=0.5), 0.133248),
    (Alpha(alpha=2.0), 0.099799),
    (Alpha(alpha=3.0), 0.094577),
    (Alpha(alpha=-1.0), 0.370114),
]
ALL = [divergence for divergence, _ in GOLD]
EXTREME = [WeightedJensenShannon(pi=0.05), WeightedJensenShannon(pi=0.95), Alpha(alpha=1.01), Alpha(alpha=0.99)]

X = torch.linspace(-14, 14, 400_001, dtype=torch.float64)
DX = float(X[1] - X[0])
LOG_P, LOG_Q = (Normal(torch.tensor(m).double(), s).log_prob(X) for m, s in ((0.0, 1.0), (0.5, 1.2)))
P, Q, U = LOG_P.exp(), LOG_Q.exp(), (LOG_P - LOG_Q).exp()
V = torch.linspace(-50, 50, 2001, dtype=torch.float64)
FAR = torch.tensor([sign * size for size in (90.0, 120.0, 200.0, 1e3, 1e4) for sign in (1, -1)], dtype=torch.float64)


def named(divergence: object) -> str:
    return str(divergence).replace(" ", ",") if isinstance(divergence, FDivergence) else ""


def integral(values: Tensor) -> float:
    return float(values.sum() * DX)


def variational(divergence: FDivergence, t: Tensor) -> float:
    """E_p T - E_q f*(T)."""
    return integral(P * t - Q * divergence.conjugate(t))


@pytest.mark.parametrize(("divergence", "gold"), GOLD, ids=named)
def test_the_variational_form_is_tight_at_the_slope_of_the_ratio(divergence: FDivergence, gold: float) -> None:
    """T41: all golds, by E_q f(u) and by T* = f'(u)."""
    assert integral(Q * divergence.f(U)) == pytest.approx(gold, abs=2e-6)
    assert variational(divergence, divergence.slope(U)) == pytest.approx(gold, abs=2e-6)


@pytest.mark.parametrize(("divergence", "gold"), GOLD, ids=named)
def test_any_other_critic_gives_less(divergence: FDivergence, gold: float) -> None:
    """T41."""
    other = divergence.slope(U * torch.exp(0.3 * torch.sin(X)))
    assert variational(divergence, other) < gold - 1e-4


@pytest.mark.parametrize("divergence", ALL, ids=named)
def test_the_conjugate_of_the_conjugate_is_the_function(divergence: FDivergence) -> None:
    """T41: f**(u) = u f'(u) - f*(f'(u)) = f(u), and no other t gives more; at u = 1, f*(f'(1)) = f'(1) - f(1)."""
    if isinstance(divergence, TotalVariation):
        pytest.skip("its slope jumps: the supremum is at a border of the domain, which the golds test")
    u = torch.linspace(0.05, 20, 500, dtype=torch.float64)
    t = divergence.slope(u)
    torch.testing.assert_close(u * t - divergence.conjugate(t), divergence.f(u), rtol=1e-9, atol=1e-9)
    assert bool((u * t.flip(0) - divergence.conjugate(t.flip(0)) <= divergence.f(u) + 1e-9).all())
    one = torch.ones((), dtype=torch.float64)
    torch.testing.assert_close(
        divergence.conjugate(divergence.slope(one)), divergence.slope(one) - divergence.f(one), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("divergence", ALL, ids=named)
def test_the_fused_form_is_the_conjugate_of_the_activation(divergence: FDivergence) -> None:
    """T42: where the unfused form is exact enough to compare with."""
    v = V[V.abs() <= 12]
    torch.testing.assert_close(
        divergence.fused(v), divergence.conjugate(divergence.activation(v)), rtol=1e-7, atol=1e-9
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("divergence", ALL + EXTREME, ids=named)
def test_every_score_has_finite_losses_and_gradients(divergence: FDivergence, dtype: torch.dtype) -> None:
    """T42: for v in [-50, 50], and far beyond; larger scores are more real."""
    v = torch.cat([V, FAR]).to(dtype).requires_grad_()
    for values in (divergence.activation(v), divergence.fused(v)):
        (slope,) = torch.autograd.grad(values.sum(), v, retain_graph=True)
        assert bool(values.isfinite().all())
        assert bool(slope.isfinite().all())
        assert bool((slope >= -1e-6).all()) or isinstance(divergence, Pearson)  # v^2 / 4 + v turns at -2


@pytest.mark.parametrize("divergence", [each for each in ALL if isinstance(each, RatioFDivergence)], ids=named)
def test_a_score_tells_the_ratio_of_the_densities(divergence: RatioFDivergence) -> None:
    """g_f(v) = f'(u) at log u = `log_ratio`(v)."""
    v = V[V.abs() <= 8]
    torch.testing.assert_close(
        divergence.activation(v), divergence.slope(divergence.log_ratio(v).exp()), rtol=1e-9, atol=1e-9
    )
    scores = v[:, None]
    assert torch.equal(RatioFGAN(divergence=divergence).log_ratio(scores), divergence.log_ratio(scores))


def test_a_divergence_without_a_ratio_is_no_game_of_ratios() -> None:
    with pytest.raises(ValidationError, match="total_variation"):
        RatioFGAN.model_validate({"divergence": {"divergence": "total_variation"}})


@pytest.mark.parametrize("divergence", ALL, ids=named)
def test_what_may_be_infinite_is_said_of_the_model(divergence: FDivergence) -> None:
    infinite = isinstance(divergence, KL | ReverseKL | Pearson | Neyman | Jeffrey) or (
        isinstance(divergence, Alpha) and not 0 < divergence.alpha < 1
    )
    assert bool(FGAN(divergence=divergence).notes) == infinite


def test_chi_square_by_neyman_is_infinite_where_the_model_is_too_wide() -> None:
    """T41: unless sigma_q^2 < 2 sigma_p^2; quadrature then gives a number that grows with its domain."""
    values = []
    for reach in (10.0, 14.0):
        x = torch.linspace(-reach, reach, 100_001, dtype=torch.float64)
        log_p, log_q = (Normal(torch.zeros(()).double(), s).log_prob(x) for s in (1.0, 1.5))
        values.append(float(((log_p.exp() - log_q.exp()) ** 2 / log_p.exp()).sum() * (x[1] - x[0])))
    assert values[1] > 100 * values[0]


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_the_limits_of_alpha_are_refused_with_their_names(alpha: float) -> None:
    with pytest.raises(ValidationError, match="kl"):
        Alpha(alpha=alpha)


def test_the_logarithm_of_wrights_omega_solves_its_equation_with_its_derivatives() -> None:
    z = torch.linspace(-50, 50, 101, dtype=torch.float64, requires_grad=True)
    y = log_wright_omega(z)
    torch.testing.assert_close(y.exp() + y, z, rtol=1e-12, atol=1e-12)
    (first,) = torch.autograd.grad(y.sum(), z, create_graph=True)
    w = y.exp()
    torch.testing.assert_close(first, 1 / (1 + w), rtol=1e-9, atol=1e-12)
    (second,) = torch.autograd.grad(first.sum(), z)
    torch.testing.assert_close(second, -w / (1 + w) ** 3, rtol=1e-6, atol=1e-12)


def test_the_exponential_goes_on_as_a_tangent() -> None:
    x = torch.tensor([1.0, 61.0], dtype=torch.float64, requires_grad=True)
    assert safe_exp(x).tolist() == pytest.approx([math.e, 2 * math.exp(60)])
    assert torch.autograd.grad(safe_exp(x).sum(), x)[0].tolist() == pytest.approx([math.e, math.exp(60)])


def test_the_logarithm_of_softplus_and_its_slope_are_exact_far_below_zero() -> None:
    x = torch.linspace(-60, 20, 801, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(log_softplus(x), torch.log1p(x.exp()).log(), rtol=1e-12, atol=1e-12)
    (slope,) = torch.autograd.grad(log_softplus(x).sum(), x)
    torch.testing.assert_close(slope, x.sigmoid() / torch.log1p(x.exp()), rtol=1e-6, atol=1e-9)
