"""The dual of W1 (float64)."""

import pytest
import torch

from pushforward.models.adversarial.games import Wasserstein
from tests.models.adversarial.gaussians import some

NONE = torch.zeros(0, 1, dtype=torch.float64)


@pytest.mark.parametrize("theta", [0.7, -2.0, 0.0])
def test_a_critic_of_slope_one_tells_how_far_parallel_lines_are_apart(theta: float) -> None:
    """T48: f(x) = -sgn(theta) x_1 attains W1 = |theta| between the lines x_1 = 0 and x_1 = theta."""
    height = some(50, 1, seed=1)
    real, fake = torch.cat([torch.zeros_like(height), height], 1), torch.cat([theta + 0 * height, height], 1)
    sign = -1.0 if theta > 0 else 1.0
    loss = Wasserstein().critic_loss(sign * real[:, :1], sign * fake[:, :1])
    assert -loss.item() == pytest.approx(abs(theta), abs=1e-12)


def test_no_critic_of_slope_one_tells_more() -> None:
    """Sorted differences are the distance in one dimension; |sin| has slope one, too, and tells less."""
    x, y = some(200, 1, seed=2), 1.5 + some(200, 1, seed=3)
    distance = (x.sort(0).values - y.sort(0).values).abs().mean()
    for f in (lambda z: -z, torch.sin, torch.cos, torch.tanh):
        assert -Wasserstein().critic_loss(f(x), f(y)) <= distance + 1e-12


def test_the_generator_raises_the_scores_of_its_rows() -> None:
    fake = some(9, 1, seed=4)
    assert torch.equal(Wasserstein().generator_loss(fake, NONE), -fake.mean())
