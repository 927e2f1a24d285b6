"""Tables with a code for each training row."""

import torch

from pushforward.models.geometry.distances import project_to_unit_ball
from pushforward.models.geometry.semidiscrete import cells
from pushforward.models.networks import CodeTable, SemiDiscreteTransport
from pushforward.models.networks.tables import DECAY


def push(n: int = 30) -> SemiDiscreteTransport:
    net = SemiDiscreteTransport(n, 2, neighbors=2, widest=1.0)
    net.store_codes(torch.arange(n), 5 + 3 * torch.randn(n, 2, generator=torch.Generator().manual_seed(0)))
    return net


def test_codes_stay_in_the_ball() -> None:
    torch.manual_seed(0)
    codes = CodeTable(100, 4)
    with torch.no_grad():
        codes.free.mul_(3)
    assert codes(torch.arange(100)).norm(dim=1).max() <= 1 + 1e-6
    inside = torch.tensor([[0.3, -0.4]])
    assert torch.equal(project_to_unit_ball(inside), inside)


def test_targets_are_the_standardized_codes() -> None:
    y = push().points()
    torch.testing.assert_close(y.mean(0), torch.zeros(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(y.std(0, correction=0), torch.ones(2))


def test_cells_start_as_those_of_nearest_neighbors() -> None:
    net, x = push(), torch.randn(200, 2, generator=torch.Generator().manual_seed(1))
    y = net.points()
    assert torch.equal(cells(x, y, net.heights(y)), torch.cdist(x, y).argmin(1))


def test_transported_codes_lie_between_stored_codes() -> None:
    net = push()
    z = net(torch.randn(100, 2, generator=torch.Generator().manual_seed(1)))
    low, high = net.codes.amin(0), net.codes.amax(0)
    assert ((z >= low - 1e-5) & (z <= high + 1e-5)).all()


def test_centers_are_decaying_means_of_the_draws_in_a_cell() -> None:
    net = push(3)
    net.update_centers(torch.tensor([[1.0, 0.0], [3.0, 0.0], [5.0, 5.0]]), torch.tensor([0, 0, 2]))
    torch.testing.assert_close(net.sums / net.counts.clamp_min(1)[:, None], torch.tensor([[2.0, 0], [0, 0], [5, 5]]))
    net.update_centers(torch.tensor([[4.0, 0.0]]), torch.tensor([0]))
    torch.testing.assert_close(net.sums[0] / net.counts[0], torch.tensor([(4 * DECAY + 4) / (2 * DECAY + 1), 0.0]))
