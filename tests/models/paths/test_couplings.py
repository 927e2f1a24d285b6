"""Pairings of noise with data."""

from itertools import permutations

import pytest
import torch
from torch import Tensor

from pushforward.models.errors import InvalidData
from pushforward.models.paths.couplings import Independent, MinibatchOT
from pushforward.models.spec.conditions import Labels, Vector
from pushforward.models.spec.data_spec import DataSpec

NONE = torch.zeros(300, 0)


def rows(n: int, seed: int, mean: float = 0.0) -> Tensor:
    return mean + torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def cost(x0: Tensor, x1: Tensor) -> float:
    return float((x0 - x1).square().sum())


def as_a_set(x: Tensor) -> list[list[float]]:
    return sorted(x.flatten(1).tolist())


def test_independent_noise_stays_as_it_was_drawn() -> None:
    x0, x1 = rows(8, 0), rows(8, 1)
    assert torch.equal(Independent().pair(x0, x1, NONE[:8]), x0)


def test_no_permutation_costs_less() -> None:
    """T74."""
    x0, x1 = rows(6, 0), rows(6, 1, mean=1.0)
    least = cost(MinibatchOT().pair(x0, x1, NONE[:6]), x1)
    costs = [cost(x0[list(order)], x1) for order in permutations(range(6))]
    assert least == pytest.approx(min(costs), rel=1e-6)


def test_the_marginals_are_kept() -> None:
    """T74: of 300 rows in blocks of 128, too."""
    x0, x1 = rows(300, 0), rows(300, 1)
    paired = MinibatchOT(block=128).pair(x0, x1, NONE)
    assert as_a_set(paired) == as_a_set(x0)
    for first, last in ((0, 128), (128, 256), (256, 300)):
        assert as_a_set(paired[first:last]) == as_a_set(x0[first:last])
    assert cost(paired, x1) < 0.3 * cost(x0, x1)


def test_rows_are_paired_within_equal_conditions() -> None:
    x0, x1 = rows(60, 0), rows(60, 1)
    label = torch.arange(60) % 3
    paired = MinibatchOT().pair(x0, x1, torch.eye(3)[label])
    for value in range(3):
        assert as_a_set(paired[label == value]) == as_a_set(x0[label == value])


def test_noise_paired_across_conditions_tells_of_them() -> None:
    """The erratum of the naive coupling (arXiv 2503.10636): given a condition its noise is no longer N(0, I)."""
    label = torch.arange(256) % 2
    x0, x1 = rows(256, 0), rows(256, 1) + 6.0 * label[:, None]
    naive = MinibatchOT().pair(x0, x1, NONE[:1].expand(256, 0))
    within = MinibatchOT().pair(x0, x1, torch.eye(2)[label])
    error = 256**-0.5
    assert naive[label == 1].mean() > 5 * error
    assert abs(within[label == 1].mean()) < 5 * error


def test_images_are_paired_too() -> None:
    x0, x1 = torch.randn(2, 16, 1, 4, 4, generator=torch.Generator().manual_seed(0)).unbind(0)
    assert cost(MinibatchOT().pair(x0, x1, NONE[:16]), x1) < cost(x0, x1)


def test_conditions_that_are_never_equal_are_refused() -> None:
    vector = DataSpec(shape=(2,), condition=Vector(shift=(0.0,), scale=(1.0,)))
    with pytest.raises(InvalidData, match="take independent") as refusal:
        MinibatchOT().check(vector)
    assert refusal.value.field == "run.family.coupling"
    MinibatchOT().check(DataSpec(shape=(2,), condition=Labels(n_classes=2)))
    Independent().check(vector)


def test_no_pairing_within_a_condition_costs_less() -> None:
    """Each condition's rows are paired as they would be alone."""
    x0, x1, label = rows(60, 0), rows(60, 1), torch.arange(60) % 3
    paired = MinibatchOT().pair(x0, x1, torch.eye(3)[label])
    for value in range(3):
        alone = MinibatchOT().pair(x0[label == value], x1[label == value], NONE[:20])
        assert torch.equal(paired[label == value], alone)
