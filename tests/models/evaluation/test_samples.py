"""Samples and rows are compared in units of the training rows."""

import numpy as np
import pytest

from pushforward.models.evaluation.samples import common_scale

ROWS = np.random.default_rng(0).normal(size=(500, 12)) * np.arange(1, 13)


@pytest.mark.parametrize(
    ("shape", "alike"),
    [((12,), [[i] for i in range(12)]), ((1, 3, 4), [range(12)]), ((3, 4), [range(4), range(4, 8), range(8, 12)])],
    ids=["vector", "image", "series"],
)
def test_elements_of_one_unit_have_one_scale(shape: tuple[int, ...], alike: list[list[int]]) -> None:
    scale = common_scale(ROWS, shape)
    for elements in alike:
        assert scale[list(elements)] == pytest.approx(ROWS[:, list(elements)].var(0).mean() ** 0.5)


def test_a_channel_that_never_varies_has_scale_one() -> None:
    rows = ROWS.copy()
    rows[:, :4] = 7.0
    assert common_scale(rows, (3, 4))[:5] == pytest.approx([1.0] * 4 + [ROWS[:, 4:8].var(0).mean() ** 0.5])
