"""Losses of diffusions, matched flows, continuous flows and GANs against sums by hand: value and gradient, float64."""

from math import exp, log, pi, sqrt

import pytest
import torch
from torch import Tensor, nn

from pushforward.models.adversarial.games import NonSaturating, Wasserstein
from pushforward.models.adversarial.regularizers import R1, GradientPenalty
from pushforward.models.families.cnf import CNF
from pushforward.models.families.diffusion import Diffusion
from pushforward.models.families.flow_matching import FlowMatching
from pushforward.models.families.gan import GAN
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import no_condition

LINE = DataSpec(shape=(1,), shift=(2.0,), scale=(3.0,))
U = [-1.0, 0.5, 2.0]  # the data, network units


class Scaled(nn.Module):
    """A x, whatever the level or time."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor([a], dtype=torch.float64))

    def forward(self, x: Tensor, *_: Tensor) -> Tensor:
        return self.a * x


def batch() -> Batch:
    x = LINE.denormalize(torch.tensor(U, dtype=torch.float64)[:, None])
    return Batch(x, no_condition(x), torch.Generator().manual_seed(4), 0, 1, torch.arange(3))


def grid(rng: torch.Generator) -> list[float]:
    shift = torch.rand(1, generator=rng).item()
    return [(i + shift) / 3 for i in range(3)]


@pytest.mark.parametrize("weighting", ["noise", "likelihood", "edm"])
def test_a_diffusion_descends_on_the_weighted_error_of_the_noise(weighting: str) -> None:
    family = Diffusion.model_validate({"weighting": {"weighting": weighting}, "schedule": {"schedule": "edm"}})
    net = Scaled(0.4)
    (loss,) = family.losses(Nets(LINE, denoiser=net), batch())
    rng = torch.Generator().manual_seed(4)
    spread = torch.tensor(grid(rng))
    levels = family.schedule.log_snr(family.steps)
    log_snr = family.weighting.log_snr(spread, levels).tolist()
    eps = torch.randn(3, 1, generator=rng)[:, 0].tolist()
    value = gradient = 0.0
    for u, e, at in zip(U, eps, log_snr, strict=True):
        x = sqrt(1 / (1 + exp(-at))) * u + sqrt(1 / (1 + exp(at))) * e
        w = 1 + exp(-at) if weighting == "edm" else 1.0
        value += w * (0.4 * x - e) ** 2 / 3
        gradient += w * 2 * (0.4 * x - e) * x / 3
    assert loss.value.item() == pytest.approx(value, rel=1e-5)
    assert torch.autograd.grad(loss.value, net.a)[0].item() == pytest.approx(gradient, rel=1e-5)


@pytest.mark.parametrize("left", [0.0, 0.3])
def test_flow_matching_descends_on_the_error_of_the_velocity(left: float) -> None:
    path = {"path": "lipman", "sigma_min": left} if left else {"path": "linear"}
    net = Scaled(0.4)
    (loss,) = FlowMatching.model_validate({"path": path}).losses(Nets(LINE, velocity=net), batch())
    rng = torch.Generator().manual_seed(4)
    x0 = torch.randn(3, 1, generator=rng, dtype=torch.float64)[:, 0].tolist()
    value = gradient = 0.0
    for start, end, t in zip(x0, U, grid(rng), strict=True):
        x = (1 - (1 - left) * t) * start + t * end
        error = 0.4 * x - (end - (1 - left) * start)
        value += error**2 / 3
        gradient += 2 * error * x / 3
    assert loss.value.item() == pytest.approx(value, rel=1e-6)
    assert torch.autograd.grad(loss.value, net.a)[0].item() == pytest.approx(gradient, rel=1e-6)


def test_a_continuous_flow_descends_on_its_likelihood_and_pays_for_its_paths() -> None:
    """f = a v: z = e^-a v, log p = log N(z) - a + log |du / dx|, energy a v^2 (1 - e^-2a) / 2, stretching a^2."""

    def by_hand(a: float) -> tuple[float, float, float]:
        nll = sum(0.5 * (u * exp(-a)) ** 2 + 0.5 * log(2 * pi) + a + log(3.0) for u in U) / 3
        energy = sum(a * u * u * (1 - exp(-2 * a)) / 2 for u in U) / 3
        return nll, energy, a * a

    net, family = Scaled(0.4), CNF(kinetic=0.2, jacobian=0.7, solver_steps=64)
    (loss,) = family.losses(Nets(LINE, velocity=net), batch())
    nll, energy, stretching = by_hand(0.4)
    assert loss.terms["nll_nats"].item() == pytest.approx(nll, rel=1e-6)
    assert loss.terms["kinetic_energy"].item() == pytest.approx(energy, rel=1e-6)
    assert loss.terms["squared_jacobian_norm"].item() == pytest.approx(stretching, rel=1e-6)
    assert loss.value.item() == pytest.approx(nll + 0.2 * energy + 0.7 * stretching, rel=1e-6)
    ahead, behind = (
        sum(w * t for w, t in zip((1, 0.2, 0.7), by_hand(a), strict=True)) for a in (0.4 + 1e-5, 0.4 - 1e-5)
    )
    assert torch.autograd.grad(loss.value, net.a)[0].item() == pytest.approx((ahead - behind) / 2e-5, rel=1e-5)


@pytest.mark.parametrize("gamma", [0.6, 0.0, None])
def test_a_gan_descends_on_the_losses_of_its_game(gamma: float | None) -> None:
    """A critic f = a x and a generator g = b z: every loss and its gradient by hand."""
    a, b = 0.7, -1.3
    critic, generator = Scaled(a), Scaled(b)
    if gamma is None:
        family = GAN(latent=1, game=Wasserstein(), regularizers=(GradientPenalty(weight=5.0),))
    else:
        family = GAN(latent=1, game=NonSaturating(), regularizers=(R1(gamma=gamma),) if gamma else ())
    nets = Nets(LINE, critic=critic, generator=generator)
    first, second = family.losses(nets, batch())
    rng = torch.Generator().manual_seed(4)
    z = torch.randn(3, 1, generator=rng)[:, 0].tolist()
    if gamma is None:
        torch.rand(3, generator=rng, dtype=torch.float64)
    later = torch.randn(3, 1, generator=rng)[:, 0].tolist()
    of_critic, by_a, of_generator, by_b = 0.0, 0.0, 0.0, 0.0
    for u, noise, again in zip(U, z, later, strict=True):
        fake, last = b * noise, b * again
        if gamma is None:
            of_critic += (a * fake - a * u + 5.0 * (a - 1) ** 2) / 3
            by_a += (fake - u + 10.0 * (a - 1)) / 3
            of_generator += -a * last / 3
            by_b += -a * again / 3
        else:
            of_critic += (log(1 + exp(-a * u)) + log(1 + exp(a * fake)) + 0.5 * gamma * a**2) / 3
            by_a += (-u / (1 + exp(a * u)) + fake / (1 + exp(-a * fake)) + gamma * a) / 3
            of_generator += log(1 + exp(-a * last)) / 3
            by_b += -a * again / (1 + exp(a * last)) / 3
    assert (first.trains, second.trains) == (("critic",), ("generator",))
    assert first.value.item() == pytest.approx(of_critic, rel=1e-5)
    assert second.value.item() == pytest.approx(of_generator, rel=1e-5)
    assert torch.autograd.grad(first.value, critic.a)[0].item() == pytest.approx(by_a, rel=1e-5)
    assert torch.autograd.grad(second.value, generator.a)[0].item() == pytest.approx(by_b, rel=1e-5)
