"""Mixtures of normals against quadrature and their own draws, in float64."""

import pytest
import torch
from torch import Tensor

from pushforward.models.distributions.normal_mixtures import LEAST_SCALE, draw, log_density, log_mass


def some_parameters(rows: int, components: int) -> Tensor:
    return 2 * torch.randn(rows, 3 * components, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("components", [1, 5])
def test_a_density_integrates_to_one(components: int) -> None:
    u = torch.linspace(-100, 100, 100_001, dtype=torch.float64)
    for params in some_parameters(4, components):
        density = log_density(params.expand(len(u), -1), u).exp()
        assert float(torch.trapezoid(density, u)) == pytest.approx(1, abs=1e-6)


def test_bins_that_tile_the_line_have_probabilities_that_add_up_to_one() -> None:
    ends = torch.tensor([-2.0, -1.5, 0.0, 0.1, 3.0, 4.0], dtype=torch.float64)
    center, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
    place = torch.arange(5)
    for params in some_parameters(4, 3):
        mass = log_mass(params.expand(5, -1), center, half, place == 0, place == 4).exp()
        assert float(mass.sum()) == pytest.approx(1, abs=1e-9)


def test_the_mass_of_a_bin_is_the_integral_of_the_density() -> None:
    u = torch.linspace(0.5, 1.5, 2001, dtype=torch.float64)
    no = torch.tensor([False])
    for params in some_parameters(4, 3):
        density = log_density(params.expand(len(u), -1), u).exp()
        mass = log_mass(params[None], torch.ones(1).double(), torch.full((1,), 0.5).double(), no, no).exp()
        assert float(mass) == pytest.approx(float(torch.trapezoid(density, u)), rel=1e-5)


def test_draws_follow_the_distribution_function() -> None:
    n, g = 20_000, torch.Generator().manual_seed(0)
    params = some_parameters(1, 4)
    x = draw(params.expand(n, -1), torch.rand(n, generator=g).double(), torch.randn(n, generator=g).double())
    for at in (-1.0, 0.0, 1.0):
        center = torch.full((1,), at, dtype=torch.float64)
        below = log_mass(params, center, torch.zeros_like(center), torch.tensor([True]), torch.tensor([False])).exp()
        assert float((x < at).double().mean()) == pytest.approx(float(below), abs=4 * 0.5 / n**0.5)


def test_normals_start_apart_and_stay_wider_than_the_floor() -> None:
    zeros = torch.zeros(1, 6, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(log_density(zeros, torch.ones(1, dtype=torch.float64)).sum(), zeros)
    assert gradient[0, 2] != gradient[0, 3]
    narrow = torch.tensor([[0.0, 0.0, -1e4]], dtype=torch.float64)
    peak = 1 / (LEAST_SCALE * (2 * torch.pi) ** 0.5)
    assert float(log_density(narrow, torch.zeros(1, dtype=torch.float64)).exp()) == pytest.approx(peak)
