"""Modes found, high quality and mode mixture of a known mixture."""

from math import exp

import numpy as np
import pytest

from pushforward.models.evaluation.metrics.modes import HighQualityShare, ModeMixture, ModesFound, beyond_three
from tests.models.evaluation.metrics.sides import CENTERS, RING, known, ring, side


def test_a_perfect_sampler_of_the_ring_finds_all_modes_at_high_quality() -> None:
    """T79: 8 of 8, 98.889 +- .2 %."""
    n = 100_000
    x = side(ring(n, 0)[0])
    assert ModesFound().measure(x, x, known()).value == ModesFound().ideal(n, n, known()) == 8
    quality = HighQualityShare().measure(x, x, known())
    assert quality.value == pytest.approx(0.98889, abs=0.002)
    assert quality.std_error == pytest.approx(np.sqrt(0.98889 * 0.01111 / n), rel=0.1)


def test_the_ideal_share_is_that_of_three_standard_deviations_in_the_plane() -> None:
    assert HighQualityShare().ideal(1, 1, known()) == pytest.approx(1 - exp(-4.5), abs=1e-12)
    assert ModeMixture().ideal(1, 1, known()) == pytest.approx(exp(-4.5), abs=1e-12)
    assert beyond_three(1) == pytest.approx(0.0026998, abs=1e-7)


def test_samples_between_modes_are_mixtures() -> None:
    between = (CENTERS + np.roll(CENTERS, 1, 0)) / 2
    x = side(np.concatenate([CENTERS[:6], between[:2]]))
    assert ModeMixture().measure(x, x, known()).value == pytest.approx(0.25)
    assert HighQualityShare().measure(x, x, known()).value == pytest.approx(0.75)
    assert ModesFound().measure(x, x, known()).value == 6


def test_a_sample_is_of_a_mode_up_to_three_standard_deviations() -> None:
    x = side(CENTERS[:1] + np.array([[2.9 * RING.std, 0.0], [3.1 * RING.std, 0.0]]))
    assert HighQualityShare().measure(x, x, known()).value == 0.5


def test_where_modes_are_not_known_nothing_is_measured() -> None:
    from dataclasses import replace

    with pytest.raises(ValueError, match="not known"):
        ModesFound().measure(side(CENTERS), side(CENTERS), replace(known(), modes=None))
