"""The continuous change of variables, in float64."""

from math import exp

import numpy as np
import pytest
import torch
from torch import Tensor

from pushforward.models.errors import InvalidInput
from pushforward.models.flows.divergence import augmented, draws_needed, is_exact, signs
from pushforward.models.solvers.dormand_prince import VectorField
from pushforward.models.solvers.ode import RungeKutta
from pushforward.models.spec.data_spec import DataSpec

A = torch.tensor([[0.3, -1.0, 0.2], [0.7, -0.4, 0.1], [0.0, 0.5, 0.2]], dtype=torch.float64)


def transport(field: VectorField, x: Tensor, end: float, steps: int, probe: Tensor | None) -> tuple[Tensor, Tensor]:
    """From 0 to the end, and the log-volume."""
    solver = RungeKutta(np.linspace(0, end, steps + 1))
    state = solver.init(torch.cat([x, torch.zeros_like(x[:, :1])], 1))
    for k in range(steps):
        state = solver.step(augmented(field, x.shape[1:], probe), state, torch.full((len(x),), k))
    return state[0][:, :-1], state[0][:, -1]


def linear(x: Tensor, at: Tensor) -> Tensor:
    return x @ A.T


def rows(n: int) -> Tensor:
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_a_linear_field_carries_by_the_matrix_exponential() -> None:
    """T27: the map is e^{tA} and the log-volume t tr A."""
    x = rows(4)
    z, log_volume = transport(linear, x, 1.0, 64, None)
    torch.testing.assert_close(z, x @ torch.linalg.matrix_exp(A).T, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(log_volume, torch.full((4,), float(A.trace()), dtype=torch.float64))


def test_the_error_falls_with_the_fourth_power_of_the_step() -> None:
    def growth(x: Tensor, at: Tensor) -> Tensor:
        return x * at[:, None]

    x = torch.ones(1, 1, dtype=torch.float64)
    errors = [abs(transport(growth, x, 2.0, n, None)[0].item() - exp(2)) for n in (8, 16)]
    assert 13 < errors[0] / errors[1] < 19


def test_hutchinsons_estimate_is_unbiased() -> None:
    """T67: over all signs, its mean is the trace."""
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
    x = rows(1).expand(8, 3)
    _, estimates = transport(linear, x, 1.0, 2, signs)
    torch.testing.assert_close(estimates.mean(), A.trace())
    assert estimates.std() > 0.1


def test_an_engine_without_gradients_gets_the_same_number() -> None:
    x = rows(2)
    _, expected = transport(linear, x, 1.0, 1, None)
    with torch.no_grad():
        torch.testing.assert_close(transport(linear, x, 1.0, 1, None)[1], expected)
    with torch.inference_mode():
        torch.testing.assert_close(transport(linear, x + 0, 1.0, 1, None)[1], expected)
        torch.testing.assert_close(transport(linear, x + 0, 1.0, 1, torch.sign(x))[1].shape, expected.shape)


def test_a_likelihood_without_chance_takes_one_draw() -> None:
    plane, levels = DataSpec(shape=(2,)), DataSpec(shape=(2,), low=0, high=1, levels=2)
    assert draws_needed(plane, 7, 10, exact=True) == 1
    assert draws_needed(plane, 7, 10, exact=False) == 7
    assert draws_needed(levels, 7, 10, exact=True) == 7


def test_the_trace_is_taken_of_short_rows_unless_asked_otherwise() -> None:
    short, long = DataSpec(shape=(8,)), DataSpec(shape=(9,))
    assert [is_exact(way, short) for way in ("auto", "exact", "hutchinson")] == [True, True, False]
    assert [is_exact(way, long) for way in ("auto", "exact", "hutchinson")] == [False, True, False]


def test_what_costs_too_much_is_refused_with_the_remedy() -> None:
    with pytest.raises(InvalidInput, match="or take the divergence hutchinson") as refusal:
        draws_needed(DataSpec(shape=(64,)), 1, 400, exact=True)
    assert refusal.value.field == "options"
    with pytest.raises(InvalidInput, match=r"lower steps or draws$"):
        draws_needed(DataSpec(shape=(64,)), 64, 400, exact=False)


def test_a_probe_is_of_signs_as_many_of_each() -> None:
    u01 = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    probe = signs(u01)
    assert probe.unique().tolist() == [-1.0, 1.0]
    assert float(probe.sum()) == 0
    assert probe.dtype == torch.float64
