"""Straight paths (float64)."""

import torch
from torch import Tensor

from pushforward.models.paths.straight import Lipman, StraightPath


def ends(n: int = 4) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(n, 3, generator=rng).double(), 2 + torch.randn(n, 3, generator=rng).double()


def test_a_linear_path_leads_from_noise_to_data() -> None:
    x0, x1 = ends()
    for t, end in ((0.0, x0), (1.0, x1)):
        torch.testing.assert_close(StraightPath().at(x0, x1, torch.full((4,), t).double()).x, end)


def test_lipmans_path_keeps_a_little_noise() -> None:
    x0, x1 = ends()
    at_data = Lipman(sigma_min=0.1).at(x0, x1, torch.ones(4).double())
    torch.testing.assert_close(at_data.x, x1 + 0.1 * x0)


def test_the_speed_is_the_derivative_of_the_place() -> None:
    x0, x1 = ends()
    t = torch.tensor([0.1, 0.4, 0.6, 0.9]).double()
    for path in (StraightPath(), Lipman(sigma_min=0.2)):
        point = path.at(x0, x1, t)
        later = path.at(x0, x1, t + 1e-3)
        torch.testing.assert_close((later.x - point.x) / 1e-3, point.u, rtol=1e-9, atol=1e-9)


def test_each_row_stands_at_a_time_of_its_own() -> None:
    x0, x1 = ends()
    t = torch.tensor([0.0, 0.5, 1.0, 0.25]).double()
    torch.testing.assert_close(StraightPath().at(x0, x1, t).x, x0 + t[:, None] * (x1 - x0))
