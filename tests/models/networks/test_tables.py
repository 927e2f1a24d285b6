"""What is kept of each training row."""

import torch

from pushforward.models.geometry.distances import in_ball
from pushforward.models.geometry.semidiscrete import cells
from pushforward.models.networks import Codes, SemiDiscrete
from pushforward.models.networks.tables import MEMORY


def push(n: int = 30) -> SemiDiscrete:
    net = SemiDiscrete(n, 2, neighbors=2, widest=1.0)
    net.remember(torch.arange(n), 5 + 3 * torch.randn(n, 2, generator=torch.Generator().manual_seed(0)))
    return net


def test_codes_stay_in_the_ball() -> None:
    torch.manual_seed(0)
    codes = Codes(100, 4)
    with torch.no_grad():
        codes.free.mul_(3)
    assert codes(torch.arange(100)).norm(dim=1).max() <= 1 + 1e-6
    inside = torch.tensor([[0.3, -0.4]])
    assert torch.equal(in_ball(inside), inside)


def test_points_are_the_codes_by_their_own_mean_and_spread() -> None:
    y = push().points()
    torch.testing.assert_close(y.mean(0), torch.zeros(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(y.std(0, correction=0), torch.ones(2))


def test_cells_start_as_those_of_nearest_neighbors() -> None:
    net, x = push(), torch.randn(200, 2, generator=torch.Generator().manual_seed(1))
    y = net.points()
    assert torch.equal(cells(x, y, net.heights(y)), torch.cdist(x, y).argmin(1))


def test_codes_that_come_out_lie_between_codes_that_went_in() -> None:
    net = push()
    z = net(torch.randn(100, 2, generator=torch.Generator().manual_seed(1)))
    low, high = net.codes.amin(0), net.codes.amax(0)
    assert ((z >= low - 1e-5) & (z <= high + 1e-5)).all()


def test_centers_are_means_of_what_fell_into_a_cell_and_are_forgotten() -> None:
    net = push(3)
    net.collect(torch.tensor([[1.0, 0.0], [3.0, 0.0], [5.0, 5.0]]), torch.tensor([0, 0, 2]))
    torch.testing.assert_close(net.sums / net.counts.clamp_min(1)[:, None], torch.tensor([[2.0, 0], [0, 0], [5, 5]]))
    net.collect(torch.tensor([[4.0, 0.0]]), torch.tensor([0]))
    torch.testing.assert_close(net.sums[0] / net.counts[0], torch.tensor([(4 * MEMORY + 4) / (2 * MEMORY + 1), 0.0]))
