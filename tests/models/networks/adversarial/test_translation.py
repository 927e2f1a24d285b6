"""Networks of a translation: their shapes, rows that stand alone, and the pool."""

import pytest
import torch
from torch import Tensor

from pushforward.models.networks import TranslationPool, concat_condition, translator
from pushforward.models.spec.data_spec import DataSpec

PLANE = DataSpec(shape=(2,))
GRAY = DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17, shift=(8.0,), scale=(8.0,))
COLOR = DataSpec(shape=(3, 12, 9), low=0, high=255, levels=256)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def numbered(first: int, n: int) -> Tensor:
    return torch.arange(first, first + n).float()[:, None]


@pytest.mark.parametrize("spec", [PLANE, GRAY, COLOR])
@pytest.mark.parametrize("flat", [False, True])
def test_a_translator_keeps_the_shape_whatever_stands_beside_a_row(spec: DataSpec, flat: bool) -> None:
    net = translator(spec, width=8, depth=2, condition_size=3, flat=flat)
    u = concat_condition(torch.randn(5, *spec.shape, generator=generator()), torch.ones(5, 3))
    assert net(u).shape == (5, *spec.shape)
    assert torch.allclose(net(u)[1:2], net(u[1:2]), atol=1e-5)


def test_a_pool_shows_what_comes_until_it_is_full() -> None:
    pool = TranslationPool(5, (1,))
    assert torch.equal(pool(numbered(0, 3), generator()), numbered(0, 3))
    assert int(pool.filled) == 3
    assert torch.equal(pool(numbered(3, 2), generator()), numbered(3, 2))
    assert torch.equal(pool.rows, numbered(0, 5))


def test_a_full_pool_changes_places_with_half_of_what_comes_and_loses_no_row() -> None:
    pool, rng = TranslationPool(50, (1,)), generator()
    pool(numbered(0, 50), rng)
    old, first = 0, 50
    for _ in range(200):
        held = set(pool.rows[:, 0].tolist())
        shown = pool(numbered(first, 20), rng)[:, 0]
        came = set(range(first, first + 20))
        assert set(shown.tolist()) | set(pool.rows[:, 0].tolist()) == held | came
        old += int((shown < first).sum())
        first += 20
    assert old / (200 * 20) == pytest.approx(0.5, abs=0.03)


def test_of_more_rows_than_a_pool_holds_most_pass_it_by() -> None:
    pool, rng = TranslationPool(4, (1,)), generator()
    assert len(pool(numbered(0, 10), rng)) == 10
    assert int(pool.filled) == 4
    assert int((pool(numbered(10, 10), rng) < 10).sum()) <= 4


def test_a_pool_is_a_function_of_its_generator() -> None:
    pools = [TranslationPool(8, (2,)) for _ in range(2)]
    for step in range(5):
        x = torch.randn(6, 2, generator=torch.Generator().manual_seed(step))
        first, second = (pool(x, torch.Generator().manual_seed(step)) for pool in pools)
        assert torch.equal(first, second)
    assert torch.equal(pools[0].rows, pools[1].rows)


def test_a_pool_is_part_of_the_state_of_its_networks() -> None:
    pool = TranslationPool(3, (1,))
    pool(numbered(0, 2), generator())
    other = TranslationPool(3, (1,))
    other.load_state_dict(pool.state_dict())
    assert int(other.filled) == 2
    assert torch.equal(other.rows, pool.rows)
