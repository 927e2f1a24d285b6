"""A long series is cut into windows, and no step is both trained on and held out."""

import numpy as np
import pytest

from pushforward.models.data.series.windows import MOST_BLOCKS, Windows

CUTS = [Windows(8, 8), Windows(8, 1), Windows(16, 5), Windows(10, 3), Windows(4, 20), Windows(64, 2), Windows(3, 2)]


def steps_of(windows: Windows, numbers: np.ndarray) -> set[int]:
    """The steps of the series that windows hold, by definition."""
    return {number * windows.stride + k for number in numbers.tolist() for k in range(windows.length)}


def test_windows_are_consecutive_steps_a_stride_apart() -> None:
    series = np.arange(22).reshape(11, 2)
    assert Windows(4, 3).of(series).tolist() == [
        [[0, 2, 4, 6], [1, 3, 5, 7]],
        [[6, 8, 10, 12], [7, 9, 11, 13]],
        [[12, 14, 16, 18], [13, 15, 17, 19]],
    ]


@pytest.mark.parametrize("windows", CUTS)
@pytest.mark.parametrize("n_steps", [64, 100, 513])
def test_as_many_windows_are_told_as_there_are(windows: Windows, n_steps: int) -> None:
    assert windows.count(n_steps) == len(windows.of(np.zeros((n_steps, 1))))
    assert windows.count(windows.length - 1) == 0


@pytest.mark.parametrize("windows", CUTS)
def test_the_reach_is_how_far_apart_windows_share_steps(windows: Windows) -> None:
    shared = [bool(steps_of(windows, np.array([0])) & steps_of(windows, np.array([i]))) for i in range(100)]
    assert shared == [i <= windows.reach for i in range(100)]


@pytest.mark.parametrize("windows", CUTS)
@pytest.mark.parametrize(("n", "n_held_out"), [(10, 1), (60, 6), (1000, 100), (1003, 37)])
@pytest.mark.parametrize("seed", range(3))
def test_no_step_is_both_trained_on_and_held_out(windows: Windows, n: int, n_held_out: int, seed: int) -> None:
    kept, held_out = windows.divided(n, n_held_out, np.random.default_rng(seed))
    assert not steps_of(windows, kept) & steps_of(windows, held_out)
    assert len(held_out) == len(set(held_out.tolist())) == n_held_out
    assert len(kept) == len(set(kept.tolist()))
    assert set(kept.tolist()) | set(held_out.tolist()) <= set(range(n))


@pytest.mark.parametrize("windows", CUTS)
@pytest.mark.parametrize("n", [100, 1000])
def test_what_is_left_out_is_what_shares_steps_with_blocks(windows: Windows, n: int) -> None:
    kept, held_out = windows.divided(n, n // 10, np.random.default_rng(0))
    near = {i + d for i in held_out.tolist() for d in range(-windows.reach, windows.reach + 1)}
    assert set(kept.tolist()) == set(range(n)) - near
    blocks = 1 + int((np.diff(np.sort(held_out)) > 1).sum())
    assert blocks <= MOST_BLOCKS
    assert len(near & set(range(n))) - len(held_out) <= max(n // 10, 2 * windows.reach)


@pytest.mark.parametrize("windows", CUTS)
def test_the_least_series_leaves_windows_to_train_on(windows: Windows) -> None:
    n = max(10, windows.count(4 * windows.length))
    for seed in range(20):
        kept, _ = windows.divided(n, max(1, round(0.1 * n)), np.random.default_rng(seed))
        assert len(kept) > 0


def test_blocks_lie_in_all_parts_of_the_series() -> None:
    _, held_out = Windows(8, 8).divided(1000, 100, np.random.default_rng(0))
    assert np.bincount(held_out // 100, minlength=10).tolist() == [10] * 10


def test_the_same_generator_divides_alike() -> None:
    first, again, other = (Windows(8, 2).divided(500, 50, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[1], other[1])
