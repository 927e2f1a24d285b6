"""`models.spec.conditioning`: what may be given, and the rows it stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pushforward.models.errors import InvalidInput
from pushforward.models.spec.condition import Condition, Words
from pushforward.models.spec.conditioning import Conditioning
from pushforward.models.spec.conditions import Labels, Vector
from pushforward.models.spec.text import Text

DIGIT = Labels(n_classes=10)
WIND = Vector(shift=(0.0, 0.0), scale=(1.0, 1.0))
ONE = Vector(shift=(5.0,), scale=(2.0,))
CAPTION = Text(max_length=4)
TREE = Labels(n_classes=3, names=("birch", "oak", "7"))


def array(given: Any) -> np.ndarray | None:
    return None if given is None else np.array(given, None if "<U" in np.array(given).dtype.str else np.float64)


def rows(kind: Condition | None, given: Any, n: int = 3, *, answers_without: bool = False) -> Any:
    told = Conditioning("m", kind, answers_without).rows(array(given), n)
    return None if told is None else told.tolist()


@pytest.mark.parametrize(
    ("kind", "given", "stands_for"),
    [
        (DIGIT, 7, [[7.0], [7.0], [7.0]]),
        (DIGIT, [7], [[7.0], [7.0], [7.0]]),
        (DIGIT, [7, 0, 9], [[7.0], [0.0], [9.0]]),
        (TREE, "oak", [[1.0], [1.0], [1.0]]),
        (TREE, ["oak"], [[1.0], [1.0], [1.0]]),
        (TREE, ["oak", "birch", "7"], [[1.0], [0.0], [2.0]]),
        (TREE, [1, 0, 2], [[1.0], [0.0], [2.0]]),
        (WIND, [1, -2], [[1.0, -2.0]] * 3),
        (WIND, [[1, -2]], [[1.0, -2.0]] * 3),
        (WIND, [[1, 2], [3, 4], [5, 6]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        (ONE, 4, [[4.0]] * 3),
        (ONE, [[1], [2], [3]], [[1.0], [2.0], [3.0]]),
        (CAPTION, "ab", [[2, 3, 0, 0]] * 3),
        (CAPTION, ["a"], [[2, 0, 0, 0]] * 3),
        (CAPTION, ["a", "b", "c"], [[2, 0, 0, 0], [3, 0, 0, 0], [4, 0, 0, 0]]),
        (None, None, None),
    ],
)
def test_one_condition_is_that_of_all_rows_and_several_are_of_one_each(
    kind: Condition | None, given: Any, stands_for: Any
) -> None:
    assert rows(kind, given) == stands_for


def test_rows_are_float32_and_one_for_all_takes_no_memory_for_each() -> None:
    told = Conditioning("m", DIGIT, False).rows(np.array(3.0), 10**6)
    assert told is not None
    assert (told.dtype, told.shape, told.strides[0]) == (np.float32, (10**6, 1), 0)


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        (None, 1, "m takes none; leave it out"),
        (DIGIT, None, "is missing; m needs a label, 0 to 9, for all rows, or one for each"),
        (WIND, None, "is missing; m needs a vector of 2 finite numbers for all rows, or one for each"),
        (DIGIT, 10, "m needs a label"),
        (DIGIT, [1, 2, np.nan], "m needs a label"),
        (DIGIT, 1 - 1e-12, "m needs a label"),
        (DIGIT, [[1, 2, 3]], "m needs a label"),
        (DIGIT, [1, 2], "has 2 rows where the answer has 3"),
        (WIND, [1, 2, 3], "m needs a vector of 2"),
        (WIND, [1, np.inf], "m needs a vector of 2"),
        (WIND, [[1, 2], [3, 4]], "has 2 rows where the answer has 3"),
        (ONE, [1, 2, 3], "m needs a vector of 1"),
        (DIGIT, "seven", "is a text; m needs a label, 0 to 9"),
        (
            TREE,
            "elm",
            "holds 'elm', and no label has this name; m needs a label, 0 to 2 or its name (0 birch, 1 oak, 2 7)",
        ),
        (TREE, "Oak", "holds 'Oak', and no label has this name"),
        (TREE, ["oak", "elm", "birch"], "holds 'elm', and no label has this name"),
        (TREE, ["oak", "birch"], "has 2 rows where the answer has 3"),
        (TREE, [["oak", "oak", "oak"]], "is a text; m needs a label"),
        (TREE, "e" * 99, f"holds {'e' * 40!r}, and no label"),
        (TREE, 7, "m needs a label, 0 to 2"),
        (WIND, ["north"], "is a text; m needs a vector"),
        (CAPTION, 7, "is not a text; m needs a text of 1 to 4 characters"),
        (CAPTION, None, "is missing; m needs a text of 1 to 4 characters, lower case letters, digits, spaces"),
        (CAPTION, "seven", "has 5 characters; m needs a text of 1 to 4"),
        (CAPTION, "dé", "holds the character 'é'; m needs"),
        (CAPTION, "A", "holds the character 'A'; m needs"),
        (CAPTION, "", "does not fit this model; m needs a text of 1"),
        (CAPTION, ["a", "b"], "has 2 rows where the answer has 3"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(kind: Condition | None, given: Any, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        rows(kind, given)
    assert says in refused.value.message
    assert refused.value.field == "condition"


def test_a_model_that_answers_without_one_needs_none() -> None:
    assert rows(DIGIT, None, answers_without=True) is None
    assert rows(DIGIT, 1, n=1, answers_without=True) == [[1.0]]


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        (DIGIT, 7, 7),
        (DIGIT, [7], 7),
        (TREE, "oak", 1),
        (WIND, [0.1, 2], (0.1, 2.0)),
        (CAPTION, "ab", Words(text="ab")),
        (None, None, None),
    ],
)
def test_the_one_condition_of_a_file_is_kept_as_it_was_given(kind: Condition | None, given: Any, kept: Any) -> None:
    told = Conditioning("m", kind, False).single(array(given), of="a file")
    assert told == kept
    assert type(told) is type(kept)


def test_a_file_has_one_condition() -> None:
    with pytest.raises(InvalidInput, match="has 2 rows; a file has one condition, so give one for all rows"):
        Conditioning("m", DIGIT, False).single(np.array([1.0, 2.0]), of="a file")
