"""The densities that defaults are measured on know their own log p."""

import numpy as np
import pytest
import torch

from benchmarks.defaults_data import DENSITIES, TABLES, gaussian, split, student


@pytest.mark.parametrize("name", ["pinwheel", "spirals", "rings"])
def test_a_density_of_the_plane_integrates_to_one(name: str) -> None:
    side = np.arange(-6, 6, 0.12)
    grid = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    assert np.exp(DENSITIES[name].log_prob(grid)).sum() * 0.12**2 == pytest.approx(1.0, abs=1e-3)


def test_a_gaussian_of_any_scales_is_torch_s() -> None:
    scales = np.geomspace(1e-6, 1e6, 7)
    x = gaussian(scales).draw(200_000, np.random.default_rng(0))
    unit = torch.from_numpy(x / scales)
    theirs = torch.distributions.MultivariateNormal(torch.zeros(7).double(), unit.T.cov())
    log_p = theirs.log_prob(unit).numpy() - np.log(scales).sum()
    np.testing.assert_allclose(gaussian(scales).log_prob(x[:500]), log_p[:500], atol=0.3)


def test_a_student_of_one_dimension_is_torch_s() -> None:
    x = torch.tensor([0.0, 1.0, -30.0]).double()
    ours = student(1, 3.0).log_prob(x[:, None].numpy())
    np.testing.assert_allclose(ours, torch.distributions.StudentT(torch.tensor(3.0)).log_prob(x).numpy(), rtol=1e-6)


@pytest.mark.parametrize("name", ["iris", "student-2d"])
def test_a_seed_gives_the_same_rows_and_none_is_judged_by_what_it_trains_on(name: str) -> None:
    one, again, other = split(name, 0), split(name, 0), split(name, 1)
    assert np.array_equal(one.train, again.train)
    assert not np.array_equal(one.train, other.train)
    assert name in TABLES or not set(map(tuple, one.train)) & set(map(tuple, one.test))
