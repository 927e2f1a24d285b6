"""`models.tables.split`: a table in two parts, and together again."""

from math import nan

import numpy as np
import pytest

from pushforward.models.tables.split import SplitTable
from pushforward.models.tables.table import Table
from tests.models.tables.small_tables import category, number

WHOLE = Table.model_validate(
    {
        "columns": [
            category("a", "x", "y"),
            {"kind": "constant", "name": "k", "arrow_type": "int64", "value": 3},
            number("r", missing=True),
            category("b", 1, 2),
            number("s"),
        ]
    }
)


@pytest.mark.parametrize("given", [["a"], ["r", "b"], ["s", "a"], ["a", "r", "b"]])
def test_parts_are_put_together_in_the_order_of_the_file(given: list[str]) -> None:
    split = SplitTable.of(WHOLE, given)
    assert split.whole == WHOLE
    assert set(split.given.cell_of) == set(given)
    cells = np.array([[0, nan, 1, -1.5], [1, 2.5, 0, 3]])
    x, g = split.split(cells)
    assert (x.shape, g.shape) == ((2, 4 - len(given)), (2, len(given)))
    np.testing.assert_array_equal(split.joined(x, g), cells)


def test_one_column_at_least_is_left() -> None:
    with pytest.raises(ValueError, match="one column at least"):
        SplitTable.of(WHOLE, ["a", "r", "b", "s"])
