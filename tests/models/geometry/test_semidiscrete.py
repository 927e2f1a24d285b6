"""Semi-discrete optimal transport against quantiles (float64)."""

from math import pi

import pytest
import torch
from torch import Tensor

from pushforward.models.geometry.semidiscrete import cells, energy, extension, facet_angles

NORMAL = torch.distributions.Normal(torch.tensor(0.0).double(), torch.tensor(1.0).double())
Y = torch.tensor([[-2.0], [-0.5], [0.1], [1.0], [3.0]]).double()


def edges(n: int) -> Tensor:
    """Quantiles of N(0, 1) that cut it into n equal parts."""
    return NORMAL.icdf(torch.arange(1, n).double() / n)


def heights() -> Tensor:
    """Where neighbors meet at the quantiles: h_{i+1} = h_i - (y_{i+1} - y_i) edge_i."""
    return torch.cat([torch.zeros(1).double(), -(Y.diff(dim=0)[:, 0] * edges(5)).cumsum(0)])


def normals(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def all_of(y: Tensor) -> Tensor:
    return torch.ones(len(y), dtype=torch.bool)


def slope(x: Tensor, y: Tensor, h: Tensor) -> Tensor:
    h = h.clone().requires_grad_()
    (g,) = torch.autograd.grad(energy(x, y, h, cells(x, y, h.detach())), h)
    return g


def test_in_one_dimension_cells_are_intervals_between_quantiles() -> None:
    """T60."""
    x = torch.linspace(-4, 4, 1001).double()[:, None]
    assert torch.equal(cells(x, Y, heights()), torch.bucketize(x[:, 0], edges(5)))


def test_the_gradient_of_the_energy_is_the_mass_of_a_cell_less_its_share() -> None:
    """T60: dE/dh = mu(W) - nu; the masses add up to 1."""
    x, h = normals(1000, 2), normals(7, 1, seed=2)[:, 0]
    y = normals(7, 2, seed=1)
    mass = torch.bincount(cells(x, y, h), minlength=7) / 1000
    assert mass.sum() == pytest.approx(1.0)
    torch.testing.assert_close(slope(x, y, h), mass.double() - 1 / 7)
    step = 1e-7 * torch.eye(7).double()
    numeric = torch.stack(
        [energy(x, y, h + e, cells(x, y, h + e)) - energy(x, y, h - e, cells(x, y, h - e)) for e in step]
    )
    torch.testing.assert_close(numeric / 2e-7, slope(x, y, h), rtol=0, atol=1e-6)


def test_the_energy_is_least_where_every_cell_has_its_share() -> None:
    """T60: at the heights of the quantiles its slope vanishes, z-score below 5; elsewhere it does not."""
    x = normals(200_000, 1)
    error = (0.2 * 0.8 / 200_000) ** 0.5
    assert slope(x, Y, heights()).abs().max() < 5 * error
    assert slope(x, Y, -0.5 * Y[:, 0] ** 2).abs().max() > 20 * error


def test_the_energy_is_convex() -> None:
    x, y, a, b = normals(500, 2), normals(9, 2, seed=1), normals(9, 1, seed=2)[:, 0], normals(9, 1, seed=3)[:, 0]

    def at(h: Tensor) -> Tensor:
        return energy(x, y, h, cells(x, y, h))

    assert at((a + b) / 2) <= (at(a) + at(b)) / 2


def test_descent_finds_the_quantiles() -> None:
    """T60: from the heights of nearest neighbors, by Adam on fresh draws."""
    delta = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    h0, adam = -0.5 * Y[:, 0] ** 2, torch.optim.Adam([delta], lr=0.05)
    for k in range(400):
        x = normals(512, 1, seed=k)
        adam.param_groups[0]["lr"] = 0.05 * (1 - k / 400)
        adam.zero_grad()
        energy(x, Y, h0 + delta, cells(x, Y, (h0 + delta).detach())).backward()
        adam.step()
    mass = torch.bincount(cells(normals(100_000, 1, seed=999), Y, (h0 + delta).detach()), minlength=5) / 100_000
    torch.testing.assert_close(mass, torch.full((5,), 0.2), rtol=0, atol=0.02)


def test_between_two_centers_the_extension_is_between_their_points() -> None:
    y = torch.tensor([[0.0, 0.0], [0.2, 0.0], [9.0, 9.0]]).double()
    centers = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [50.0, 50.0]]).double()
    x = torch.tensor([[-1.0, 0.0], [-0.5, 0.0], [0.0, 0.0], [1.0, 0.0]]).double()
    expected = torch.tensor([[0.0, 0.0], [0.05, 0.0], [0.1, 0.0], [0.2, 0.0]]).double()
    torch.testing.assert_close(extension(x, y, centers, all_of(y), 2, 1.0), expected, rtol=0, atol=1e-9)


def test_points_that_do_not_count_are_no_targets() -> None:
    y, known = normals(20, 3), torch.arange(20) < 1
    out = extension(normals(50, 3, seed=2), y, torch.zeros(20, 3).double(), known, 2, pi)
    torch.testing.assert_close(out, y[:1].expand(50, -1))


def test_one_neighbor_gives_the_points_themselves() -> None:
    y, centers = normals(20, 3), normals(20, 3, seed=1)
    out = extension(normals(50, 3, seed=2), y, centers, all_of(y), 1, 1.0)
    assert torch.cdist(out, y).min(1).values.max() < 1e-6


def test_nothing_lies_between_modes_that_are_further_apart_than_the_angle() -> None:
    """What a continuous map would fill: the mixture of two modes."""
    rng = torch.Generator().manual_seed(0)
    y = torch.cat([0.1 * torch.randn(50, 1, generator=rng) - 2, 0.1 * torch.randn(50, 1, generator=rng) + 2]).double()
    y = y.sort(0).values
    centers, x = y, torch.linspace(-3, 3, 500).double()[:, None]
    assert extension(x, y, centers, all_of(y), 2, 1.0).abs().min() > 1.5
    assert extension(x, y, centers, all_of(y), 2, pi).abs().min() < 0.1


def test_angles_are_between_the_facets_of_the_potential() -> None:
    y = torch.tensor([[0.0], [1.0], [-1.0]]).double()
    torch.testing.assert_close(facet_angles(y, y[:1]), torch.tensor([0.0, pi / 4, pi / 4]).double(), rtol=0, atol=1e-7)
    torch.testing.assert_close(facet_angles(y[1:2], y[2:]), torch.tensor([pi / 2]).double())
