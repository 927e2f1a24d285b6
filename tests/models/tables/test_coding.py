"""`models.tables.coding`: rows of cells become numbers and choices, and come back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pushforward.models.errors import InvalidInput
from pushforward.models.tables.coding import coder, decode_row
from pushforward.models.tables.table import Table
from pushforward.models.tables.transform import fitted
from tests.models.tables.small_tables import LEVELS, ONE_NUMBER, STRETCHED, category, number, table

CPU = torch.device("cpu")
NAN = float("nan")
LOG = fitted("log", np.array([1.0, 2.0, 5.0, 9.0]))
MANY = table(
    number("r"),
    number("log", transform=LOG, low=1.0, high=9.0),
    number("n", step=0.5, missing=True),
    category("a", "x", "y", missing=True),
    number("spike", atoms=(-1.0, 0.5), missing=True),
)


@given(
    r=st.floats(-50, 50),
    positive=st.floats(0.99, 100),
    step=st.integers(-6, 8),
    a=st.sampled_from([0.0, 1.0, NAN]),
    spike=st.one_of(st.floats(-5, 5), st.sampled_from([-1.0, 0.5, NAN])),
)
@settings(max_examples=200, deadline=None)
def test_rows_come_back(r: float, positive: float, step: int, a: float, spike: float) -> None:
    x = torch.tensor([[r, positive, step / 2, a, spike]], dtype=torch.float64)
    MANY.check(x.numpy())
    coding = coder(MANY, CPU)
    back = coding.decode(*_u_k(coding.encode(x)))
    torch.testing.assert_close(back, x, rtol=1e-4, atol=1e-4, equal_nan=True)
    torch.testing.assert_close(decode_row(MANY, coding.row(coding.encode(x))), back, equal_nan=True)


def _u_k(coded: object) -> tuple[torch.Tensor, torch.Tensor]:
    return coded.u, coded.k  # type: ignore[attr-defined]


@pytest.mark.parametrize(("cell", "r"), [(0, -10.0), (0, -1.5), (0, 0.5), (0, 3.0), (0, 9.0), (1, 1.5), (1, 20.0)])
def test_log_derivatives_are_those_of_finite_differences(cell: int, r: float) -> None:
    x = torch.tensor([[0.1, 2.0, 0.0, 0.0, 0.2]], dtype=torch.float64)
    x[0, cell] = r
    coding, h = coder(MANY, CPU), 1e-6
    step = h * torch.eye(5, dtype=torch.float64)[cell]
    slope = (coding.images_of(_numbers(x + step))[0] - coding.images_of(_numbers(x - step))[0])[0, cell] / (2 * h)
    assert float(coding.encode(x).log_derivative[0, cell]) == pytest.approx(float(slope.log()), abs=1e-4)


def _numbers(x: torch.Tensor) -> torch.Tensor:
    return x[:, [0, 1, 2, 4]]


def test_what_is_missing_or_at_an_atom_is_a_choice_and_no_number() -> None:
    x = torch.tensor([[0.0, NAN], [1.0, 0.5], [1.0, 0.4]], dtype=torch.float64)
    coded = coder(ONE_NUMBER, CPU).encode(x)
    assert coded.k.tolist() == [[0, 1], [1, 2], [1, 0]]
    assert coded.present.tolist() == [[False], [False], [True]]
    assert coded.u[:2].tolist() == [[0.0], [0.0]]
    assert coded.log_derivative[:2].tolist() == [[0.0], [0.0]]


def test_numbers_of_a_grid_are_spread_over_their_cells_and_come_back_on_it() -> None:
    x = torch.tensor([[0.0, 2.0]], dtype=torch.float64).expand(200, 2)
    coding = coder(LEVELS, CPU)
    coded = coding.encode(x, torch.rand(200, 1, generator=torch.Generator().manual_seed(0)))
    assert 0.8 < float(coded.u.max() - coded.u.min()) * 3 < 1.0  # a cell of 1 at a slope of 1/3
    assert coding.decode(coded.u, coded.k)[:, 1].unique().tolist() == [2.0]


def test_drawn_numbers_of_a_grid_stay_within_what_training_has_seen() -> None:
    coding = coder(LEVELS, CPU)
    drawn = coding.decode(torch.tensor([[-9.0], [9.0]]), torch.tensor([[0, 0], [0, 0]]))
    assert drawn[:, 1].tolist() == [-3.0, 4.0]


@pytest.mark.parametrize(
    ("columns", "row", "message"),
    [
        (MANY, [0, 2, 0, 2.0, 0], "column 'a' holds an index of none of its 2 values in row 0"),
        (MANY, [NAN, 2, 0, 0, 0], "column 'r' had no missing cells in training, and is missing in row 0"),
        (MANY, [np.inf, 2, 0, 0, 0], "column 'r' is not finite"),
        (MANY, [0, 2, 0.3, 0, 0], "column 'n' is not on the grid of 0.5"),
        (MANY, [0, 0.0, 0, 0, 0], "column 'log' is not above"),
        (MANY, [0, 2, 0, 0], "5 cells"),
    ],
)
def test_rows_that_are_none_of_the_table_are_refused(columns: Table, row: list[float], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        columns.check(np.array([row]))


def test_the_stretched_transform_is_its_piecewise_line() -> None:
    one = table(number("r"))
    r = torch.linspace(-9, 9, 37, dtype=torch.float64)[:, None]
    inner = (r >= -3) & (r <= 4)
    u = coder(one, CPU).encode(r).u.double()
    line = torch.from_numpy(np.interp(r.numpy(), STRETCHED.knots, STRETCHED.images))
    torch.testing.assert_close(u[inner], line[inner], rtol=1e-5, atol=1e-6)
    assert float(u[-1] - u[-2]) == pytest.approx(0.5 * (1.5 - 0.5) / 3, rel=1e-4)  # the last slope goes on
