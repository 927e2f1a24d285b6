"""Fields led by a condition, and the rows of training that are not told theirs."""

import pytest
import torch
from torch import Tensor

from pushforward.models.losses import Batch
from pushforward.models.paths.guidance import dropped, guided


def field(x: Tensor, t: Tensor, c: Tensor) -> Tensor:
    return x + 10 * t[:, None] + 100 * c.sum(1, keepdim=True)


def batch(n: int, c: Tensor) -> Batch:
    return Batch(torch.zeros(n, 2), c, torch.Generator().manual_seed(0), 0, 1, torch.arange(n))


@pytest.mark.parametrize("w", [0.0, 0.5, 3.0])
def test_a_guided_field_leans_away_from_that_of_all_data(w: float) -> None:
    """(1 + w) f(x, t; c) - w f(x, t; 0), row by row."""
    x, t, c = torch.tensor([[1.0], [2.0]]), torch.tensor([0.1, 0.7]), torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    expected = x + 10 * t[:, None] + (1 + w) * torch.tensor([[100.0], [300.0]])
    torch.testing.assert_close(guided(field, w)(x, t, c), expected)


def test_conditions_are_left_out_whole_and_as_often_as_was_asked() -> None:
    n, c = 20_000, torch.tensor([2.0, 3.0])
    left = dropped(batch(n, c.expand(n, 2)), 0.2)
    kept = (left == c).all(1)
    assert torch.equal(left[~kept], torch.zeros_like(left[~kept]))
    assert abs(float(kept.double().mean()) - 0.8) < 5 * (0.2 * 0.8 / n) ** 0.5


def test_nothing_is_left_out_where_nothing_is_to_be() -> None:
    c = torch.ones(5, 2)
    assert dropped(batch(5, c), 0.0) is c
    assert dropped(batch(5, c[:, :0]), 0.5).shape == (5, 0)
