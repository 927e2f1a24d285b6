"""Mode-specific normalization: mixtures fitted to the quantiles that a transform keeps."""

from statistics import NormalDist

import numpy as np
import pytest
import torch

from pushforward.models.tables.coding import coder
from pushforward.models.tables.transform import NumberTransform, fitted
from pushforward.models.tabular.modes import ModeCoder, fitted_modes, mixture_of
from tests.models.tabular.small_tables import number, table_of

N = 20_000


def two_modes() -> np.ndarray:
    """Weights 0.3 and 0.7, at -10 and 20."""
    rng = np.random.default_rng(0)
    return np.where(rng.random(N) < 0.3, rng.normal(-10, 1, N), rng.normal(20, 3, N))


def column(r: np.ndarray) -> dict[str, object]:
    transform = fitted("quantile", r)
    return number("r", transform=transform, low=float(r.min()), high=float(r.max()))


def test_modes_that_lie_apart_are_found_with_their_weights() -> None:
    found = mixture_of(fitted("quantile", two_modes()))
    heavy = found.weight > 0.05
    np.testing.assert_allclose(found.weight[heavy], [0.3, 0.7], atol=0.04)
    np.testing.assert_allclose(found.mean[heavy], [-10, 20], atol=0.3)
    np.testing.assert_allclose(found.std[heavy], [1, 3], rtol=0.15)
    assert found.weight.sum() == pytest.approx(1)


def test_a_normal_column_has_one_mode() -> None:
    found = mixture_of(fitted("quantile", np.random.default_rng(0).normal(5, 2, N)))
    assert len(found.weight) == 1
    np.testing.assert_allclose([found.mean[0], found.std[0]], [5, 2], rtol=0.05)


@pytest.mark.parametrize("knots", [(3.0, 5.0), (-1.0, 1.0)])
def test_a_line_through_two_knots_is_one_mode_of_their_normal_distribution(knots: tuple[float, float]) -> None:
    transform = NumberTransform(knots=knots, images=(1.0, 2.0))
    (weight,), (mean,), (std,) = mixture_of(transform)
    assert weight == 1
    assert NormalDist(mean, std).zscore(knots[0]) == pytest.approx(1)
    assert NormalDist(mean, std).zscore(knots[1]) == pytest.approx(2)


def test_modes_that_a_number_lacks_have_no_weight() -> None:
    table = table_of(column(two_modes()), number("s"))
    first, second = fitted_modes(table)
    assert len(first.weight) == len(second.weight) > 1
    assert second.weight.tolist() == [1.0, *[0.0] * (len(first.weight) - 1)]


def test_a_number_comes_back_from_its_mode_and_place_and_modes_are_drawn_by_their_share() -> None:
    r = two_modes()
    table = table_of(column(r), number("s"))
    modes = ModeCoder(
        table, *(torch.tensor(np.stack(part)) for part in zip(*fitted_modes(table), strict=True))
    )  # fmt: skip
    x = torch.from_numpy(np.stack([r, r % 3], 1))
    u = coder(table, x.device).encode(x).u
    alpha, b = modes.encode(u, torch.rand(u.shape, generator=torch.Generator().manual_seed(0)))
    inside = alpha.abs() < 1
    assert inside.double().mean() > 0.99
    torch.testing.assert_close(modes.decode(alpha, b)[inside], u[inside], atol=1e-4, rtol=1e-4)
    assert torch.equal(b[:, 1], torch.zeros(N, dtype=torch.long))
    heavy = modes.weight[0] > 0.05
    sure = heavy[b[:, 0]]
    assert sure.double().mean() > 0.95
    assert torch.equal((modes.mean[0][b[:, 0]] > 5)[sure], torch.from_numpy(r > 5)[sure])
    assert float(alpha.abs().max()) <= 1


def test_between_two_modes_either_is_drawn_in_proportion() -> None:
    table = table_of(number("r", transform=NumberTransform(knots=(0.0, 1.0), images=(0.0, 1.0))))
    modes = ModeCoder(table, *(torch.tensor([each]) for each in ([0.25, 0.75], [-1.0, 1.0], [1.0, 1.0])))
    _, b = modes.encode(torch.zeros(N, 1), torch.rand(N, 1, generator=torch.Generator().manual_seed(0)))
    assert abs(float(b.double().mean()) - 0.75) < 0.02
