"""The WAE against optimal transport between Gaussians on the line (float64)."""

import math

import pytest
import torch
from torch import Tensor

from models.families.wae import WAE
from models.family import Batch, capabilities
from models.interpolate import reconstruct
from models.networks import Nets
from models.noise import Noise
from models.sampling import sample, untold
from models.spec import DataSpec

LINE = DataSpec(shape=(1,))
LINEAR = WAE(latent=1, depth=0, weight=3.0)
S, A = 1.7, 0.6  # of the data N(0, s^2), of the decoder G(z) = a z


def scaling(*, encoder: float, decoder: float) -> Nets:
    """Q(x) = encoder x, G(z) = decoder z."""
    nets = LINEAR.build(LINE).double().requires_grad_(False)
    for name, factor in (("encoder", encoder), ("decoder", decoder)):
        weight, bias = nets[name].parameters()
        weight.fill_(factor)
        bias.zero_()
    return nets


def normal(n: int, scale: float, seed: int) -> Tensor:
    return scale * torch.randn(n, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cost_and_penalty(nets: Nets, x: Tensor, seed: int) -> tuple[float, float]:
    (loss,) = LINEAR.losses(nets, Batch(x, untold(x), torch.Generator().manual_seed(seed), 0, 1, torch.arange(len(x))))
    assert float(loss.value) == pytest.approx(float(loss.terms["cost"] + 3.0 * loss.terms["penalty"]))
    return float(loss.terms["cost"]), float(loss.terms["penalty"])


def test_the_cost_of_matched_codes_is_the_transport_cost() -> None:
    """T59: for Q(x) = x / s, E |x - a x / s|^2 = (s - a)^2 = W_2^2(N(0, s^2), N(0, a^2))."""
    x = normal(1000, S, 0)
    cost, _ = cost_and_penalty(scaling(encoder=1 / S, decoder=A), x, 0)
    assert cost == pytest.approx((S - A) ** 2 * float((x**2).mean()) / S**2, rel=1e-9)


def test_no_other_matched_encoder_is_cheaper() -> None:
    """T59: the other linear map of N(0, s^2) to N(0, 1) costs (s + a)^2."""
    x = normal(1000, S, 0)
    cost, _ = cost_and_penalty(scaling(encoder=-1 / S, decoder=A), x, 0)
    assert cost == pytest.approx((S + A) ** 2 * float((x**2).mean()) / S**2, rel=1e-9)


def test_the_penalty_of_matched_codes_is_zero_in_the_mean() -> None:
    """T59, T50."""
    nets = scaling(encoder=1 / S, decoder=A)
    penalty = torch.tensor([cost_and_penalty(nets, normal(30, S, seed), seed + 10_000)[1] for seed in range(300)])
    assert abs(float(penalty.mean())) < 5 * float(penalty.std()) / math.sqrt(len(penalty))
    assert float(penalty.min()) < 0


def test_the_penalty_of_unmatched_codes_is_positive() -> None:
    _, penalty = cost_and_penalty(scaling(encoder=2 / S, decoder=A), normal(1000, S, 0), 1)
    assert penalty > 0.05


def test_samples_push_the_prior_forward() -> None:
    nets = scaling(encoder=1.0, decoder=A).float()
    x = sample(LINEAR.sampler(nets, LINEAR.SampleOptions()), Noise.rows(0, 50_000))
    assert float(x.std()) == pytest.approx(A, rel=0.02)


def test_codes_and_data_round_trip() -> None:
    nets = scaling(encoder=1 / A, decoder=A)
    x = normal(5, S, 0)
    assert torch.allclose(reconstruct(LINEAR, nets, x, untold(x)), x, atol=1e-12)


def test_it_has_no_likelihood() -> None:
    assert capabilities(WAE) == ("sample", "encode", "decode", "reconstruct", "interpolate")


def test_a_last_batch_of_one_row_is_descended_like_any_other() -> None:
    nets = LINEAR.build(LINE)
    x = torch.ones(1, 1)
    (loss,) = LINEAR.losses(nets, Batch(x, untold(x), torch.Generator().manual_seed(0), 0, 1, torch.arange(1)))
    gradients = torch.autograd.grad(loss.value, list(nets.parameters()))
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
