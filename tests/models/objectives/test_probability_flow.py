"""The continuous change of variables, in float64."""

from itertools import pairwise
from math import exp

import torch
from torch import Tensor

from models.objectives.probability_flow import VectorField, advance

A = torch.tensor([[0.3, -1.0, 0.2], [0.7, -0.4, 0.1], [0.0, 0.5, 0.2]], dtype=torch.float64)


def transport(field: VectorField, x: Tensor, grid: list[float], probe: Tensor | None) -> tuple[Tensor, Tensor]:
    """All steps of a grid, and the whole log-volume."""
    log_volume = torch.zeros(len(x), dtype=torch.float64)
    for ends in pairwise(grid):
        start, end = (torch.full((len(x),), at, dtype=torch.float64) for at in ends)
        x, more = advance(field, x, start, end, probe)
        log_volume = log_volume + more
    return x, log_volume


def linear(x: Tensor, at: Tensor) -> Tensor:
    return x @ A.T


def rows(n: int) -> Tensor:
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_a_linear_field_carries_by_the_matrix_exponential() -> None:
    """T27: the map is e^{tA} and the log-volume t tr A."""
    x = rows(4)
    z, log_volume = transport(linear, x, torch.linspace(0, 1, 65).tolist(), None)
    torch.testing.assert_close(z, x @ torch.linalg.matrix_exp(A).T, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(log_volume, torch.full((4,), float(A.trace()), dtype=torch.float64))


def test_the_error_falls_with_the_fourth_power_of_the_step() -> None:
    def growth(x: Tensor, at: Tensor) -> Tensor:
        return x * at[:, None]

    x = torch.ones(1, 1, dtype=torch.float64)
    errors = [
        abs(transport(growth, x, torch.linspace(0, 2, n + 1, dtype=torch.float64).tolist(), None)[0].item() - exp(2))
        for n in (8, 16)
    ]
    assert 13 < errors[0] / errors[1] < 19


def test_hutchinsons_estimate_is_unbiased() -> None:
    """T67: over all signs, its mean is the trace."""
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
    x = rows(1).expand(8, 3)
    _, estimates = transport(linear, x, [0.0, 0.5, 1.0], signs)
    torch.testing.assert_close(estimates.mean(), A.trace())
    assert estimates.std() > 0.1


def test_an_engine_without_gradients_gets_the_same_number() -> None:
    x = rows(2)
    _, expected = transport(linear, x, [0.0, 1.0], None)
    with torch.no_grad():
        torch.testing.assert_close(transport(linear, x, [0.0, 1.0], None)[1], expected)
    with torch.inference_mode():
        torch.testing.assert_close(transport(linear, x + 0, [0.0, 1.0], None)[1], expected)
        torch.testing.assert_close(transport(linear, x + 0, [0.0, 1.0], torch.sign(x))[1].shape, expected.shape)


def test_each_row_goes_a_step_of_its_own() -> None:
    def field(x: Tensor, at: Tensor) -> Tensor:
        return x * at[:, None].cos()

    x, start, end = rows(3), torch.tensor([0.0, 1.0, -0.5]).double(), torch.tensor([0.2, 0.7, 1.5]).double()
    together = advance(field, x, start, end, None)
    for i in range(3):
        alone = advance(field, x[i : i + 1], start[i : i + 1], end[i : i + 1], None)
        torch.testing.assert_close([part[i : i + 1] for part in together], list(alone))
