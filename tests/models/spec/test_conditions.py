"""What models are told beside their data."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from pushforward.models.errors import InvalidInput
from pushforward.models.networks import concat_condition
from pushforward.models.spec.condition import Words
from pushforward.models.spec.conditions import Labels, Vector
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.spec.text import ALPHABET, Text
from pushforward.models.stepwise.sampling import no_condition

LABELS = Labels(n_classes=3)
VECTOR = Vector(shift=(1.0, -2.0), scale=(2.0, 0.5))
TEXT = Text(max_length=5)


def test_a_label_is_seen_one_hot() -> None:
    c = LABELS.code(torch.tensor([[2.0], [0.0]]))
    assert c.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert (LABELS.width, LABELS.size) == (1, 3)


def test_labels_may_have_names_which_messages_tell() -> None:
    named = Labels(n_classes=2, names=("daisy", "rose"))
    assert (LABELS.form, named.form) == ("a label, 0 to 2,", "a label, 0 to 1 or its name (0 daisy, 1 rose),")
    many = Labels(n_classes=11, names=tuple("abcdefghijk")).form
    assert many.endswith("8 i, 9 j, ...),")
    with pytest.raises(ValidationError, match="names has 1 entries for 2 labels; give one for each"):
        Labels(n_classes=2, names=("daisy",))


def test_a_vector_is_seen_normalized_and_is_never_all_zeros() -> None:
    c = VECTOR.code(torch.tensor([[1.0, -2.0], [3.0, -1.0]]))
    assert c.tolist() == [[0, 0, 1], [1, 2, 1]]
    assert (VECTOR.width, VECTOR.size) == (2, 3)


def test_a_text_is_seen_as_the_numbers_of_its_characters_and_zeros_behind_its_end() -> None:
    values = TEXT.read(np.array(["a b", "'"]))
    assert values.tolist() == [[2, 1, 3, 0, 0], [len(ALPHABET), 0, 0, 0, 0]]
    assert TEXT.code(torch.from_numpy(values)).tolist() == values.tolist()
    assert [TEXT.given(row) for row in values] == [Words(text="a b"), Words(text="'")]


@pytest.mark.parametrize("told", [[[0, 0, 0, 0, 0]], [[2, 0, 3, 0, 0]], [[99, 0, 0, 0, 0]], [[1.5, 0, 0, 0, 0]], [[1]]])
def test_numbers_that_are_of_no_text_are_refused(told: list[list[float]]) -> None:
    with pytest.raises(InvalidInput, match="must"):
        TEXT.check(np.array(told))


@pytest.mark.parametrize("told", [[[3]], [[-1]], [[0.5]], [[np.nan]], [[0, 1]], [0]])
def test_what_is_no_label_is_refused_with_the_labels_there_are(told: list[object]) -> None:
    with pytest.raises(InvalidInput, match="a whole number from 0 to 2") as error:
        LABELS.check(np.array(told, dtype=float))
    assert error.value.field == "condition"


@pytest.mark.parametrize("told", [[[1]], [[1, 2, 3]], [[1, np.inf]], [1, 2]])
def test_what_is_no_vector_of_the_right_length_is_refused(told: list[object]) -> None:
    with pytest.raises(InvalidInput, match="must be 2 finite numbers for each row"):
        VECTOR.check(np.array(told, dtype=float))


@pytest.mark.parametrize("far", [1e39, -1e300])
def test_a_number_that_float32_does_not_reach_is_refused_by_its_column(far: float) -> None:
    with pytest.raises(
        InvalidInput, match=r"in column 1 is so far from this model's data .*; give it in the data's own"
    ):
        VECTOR.check(np.array([[0.0, 1.0], [0.0, far]]))


def test_conditions_of_the_right_kind_pass() -> None:
    LABELS.check(np.array([[0], [2]]))
    VECTOR.check(np.array([[0.0, 1.0]]))


@pytest.mark.parametrize(("shift", "scale"), [((), ()), ((0.0,), (1.0, 1.0)), ((0.0,), (0.0,)), ((np.nan,), (1.0,))])
def test_a_vector_is_normalized_by_finite_numbers(shift: tuple[float, ...], scale: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError):
        Vector(shift=shift, scale=scale)


def test_nothing_is_attached_where_nothing_is_told() -> None:
    x = torch.randn(4, 1, 8, 8)
    assert concat_condition(x, no_condition(x)) is x
    assert DataSpec(shape=(1, 8, 8)).condition_size == 0


def test_a_condition_stands_beside_a_vector_and_in_planes_behind_an_image() -> None:
    c = torch.tensor([[1.0, 2.0]])
    assert concat_condition(torch.zeros(1, 3), c).tolist() == [[0, 0, 0, 1, 2]]
    image = concat_condition(torch.zeros(1, 1, 5, 5), c)
    assert image.shape == (1, 3, 5, 5)
    assert image[0, :, 2, 2].tolist() == [0, 1, 2]
