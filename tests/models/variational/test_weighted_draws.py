"""Many draws of every row, some at once."""

import pytest
import torch
from torch import Tensor

from pushforward.models.noise import Noise
from pushforward.models.variational.weighted_draws import NUMBERS_AT_ONCE, ROWS_AT_ONCE, Draws, log_weights


@pytest.mark.parametrize(
    ("size", "most"), [(784, ROWS_AT_ONCE), (256 * 784, 83), (NUMBERS_AT_ONCE // 16, 16), (10 * NUMBERS_AT_ONCE, 8)]
)
def test_large_rows_come_fewer_at_once_with_the_same_noise(size: int, most: int) -> None:
    """At least one draw of each of the 8 rows."""
    at_once = list[int]()

    def drawn(draws: Draws) -> Tensor:
        at_once.append(len(draws.number))
        return draws.noise.normal(draws.number, (1,))[:, 0]

    noise = Noise.rows(0, 8)
    found = log_weights(drawn, noise, 200, size=size)
    assert torch.equal(found, torch.stack([noise.normal(i, (1,))[:, 0] for i in range(200)]).double())
    assert most - 8 < max(at_once) <= most
