from math import log
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from pushforward.models.errors import InvalidData, InvalidInput
from pushforward.models.families import FAMILIES
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.spec.text import Text

DIGITS = DataSpec(shape=(1, 2, 2), low=0, high=16, levels=17, shift=(8.0,), scale=(8.0,))
TABLE = DataSpec(shape=(2,), shift=(1.0, -1.0), scale=(2.0, 0.5))
SERIES = DataSpec(shape=(2, 3), shift=(1.0, -1.0), scale=(2.0, 0.5))


def test_bounded_data_become_minus_one_to_one_and_come_back() -> None:
    x = torch.tensor([0.0, 4.0, 8.0, 16.0]).view(1, 1, 2, 2)
    assert DIGITS.normalize(x).flatten().tolist() == [-1.0, -0.5, 0.0, 1.0]
    assert torch.equal(DIGITS.denormalize(DIGITS.normalize(x)), x)


def test_a_column_has_its_own_unit() -> None:
    assert TABLE.normalize(torch.tensor([[3.0, 0.0]])).tolist() == [[1.0, 2.0]]


def test_a_channel_has_its_own_unit() -> None:
    x = torch.tensor([[[3.0, 1.0, -1.0], [0.0, -1.0, -2.0]]])
    assert SERIES.normalize(x).tolist() == [[[1.0, 0.0, -1.0], [2.0, 0.0, -2.0]]]
    assert torch.equal(SERIES.denormalize(SERIES.normalize(x)), x)
    assert SERIES.log_jacobian == -3 * (log(2) + log(0.5)) == 0.0


@pytest.mark.parametrize("spec", [DIGITS, TABLE, SERIES], ids=["image", "table", "series"])
def test_the_log_jacobian_is_that_of_normalize(spec: DataSpec) -> None:
    jacobian = torch.autograd.functional.jacobian(
        lambda x: spec.normalize(x.view(1, *spec.shape)).flatten(), torch.zeros(spec.size, dtype=torch.float64)
    )
    assert spec.log_jacobian == pytest.approx(float(torch.linalg.slogdet(jacobian).logabsdet))


def test_one_scale_counts_once_for_each_element() -> None:
    assert DIGITS.log_jacobian == pytest.approx(-4 * log(8))


def test_quantized_values_are_in_range_and_on_levels() -> None:
    x = DIGITS.quantize(torch.tensor([-3.0, 0.4, 7.6, 99.0]))
    assert x.tolist() == [0.0, 0.0, 8.0, 16.0]
    bounded = DataSpec(shape=(1,), low=-1, high=1)
    assert bounded.quantize(torch.tensor([-3.0, 0.4])).tolist() == pytest.approx([-1.0, 0.4])
    assert TABLE.quantize(torch.tensor([99.0])).item() == 99.0


@pytest.mark.parametrize(
    "fields",
    [
        {"shift": (1.0, 2.0, 3.0)},
        {"shape": (2, 3), "shift": (1.0, 2.0, 3.0)},
        {"scale": (0.0,)},
        {"scale": (float("inf"),)},
        {"shift": (float("nan"),)},
        {"low": 0.0},
        {"levels": 4},
        {"low": 0.0, "high": 1.0, "levels": 1},
        {"low": 1.0, "high": 0.0},
        {"shape": (0,)},
        {"shape": ()},
        {"color": "red"},
    ],
)
def test_a_spec_that_contradicts_itself_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DataSpec.model_validate({"shape": (2,)} | fields)


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (np.zeros((1, 2, 2)), r"\[n, 1, 2, 2\]"),
        (np.zeros((0, 1, 2, 2)), "at least one row"),
        (np.full((1, 1, 2, 2), np.nan), "finite"),
        (np.full((1, 1, 2, 2), 17.0), r"\[0, 16\]"),
        (np.full((1, 1, 2, 2), -1e-3), r"\[0, 16\]"),
        (np.full((1, 1, 2, 2), 0.5), "17 levels"),
    ],
)
def test_rows_of_another_kind_are_refused_with_field_and_remedy(x: np.ndarray, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as error:
        DIGITS.check(x, field="start", on_levels=True)
    assert error.value.field == "start"


def test_series_with_channels_last_are_refused_with_the_remedy() -> None:
    with pytest.raises(InvalidInput, match=r"\[n, 2, 3\]; channels come first, so send numpy.moveaxis"):
        SERIES.check(np.zeros((1, 3, 2)))


def test_what_is_too_far_out_is_told_by_the_unit_of_its_channel() -> None:
    far = np.zeros((1, 2, 3))
    far[0, 0, 1] = 1.5e38  # within float32 once divided by 2
    SERIES.model_copy(update={"scale": (1e10, 1e10)}).check(far * 1e-1)
    far[0, 1, 2] = 0.8e38
    with pytest.raises(InvalidInput, match="8e\\+37"):
        SERIES.check(np.where(far == 0.8e38, far, 0.0))


def test_values_between_levels_pass_where_levels_do_not_matter() -> None:
    DIGITS.check(np.full((1, 1, 2, 2), 0.5))


def test_continuous_data_have_no_bin_width() -> None:
    with pytest.raises(ValueError, match="no levels"):
        _ = TABLE.bin_width


def test_one_three_or_four_channels_make_an_image() -> None:
    assert [DataSpec(shape=shape).is_image for shape in ((1, 8, 8), (3, 8, 8), (4, 8, 8), (2, 8, 8), (64,))] == [
        True, True, True, False, False]  # fmt: skip


def test_channels_and_steps_make_a_series() -> None:
    assert [DataSpec(shape=shape).is_series for shape in ((1, 8), (3, 8), (8,), (1, 8, 8))] == [
        True,
        True,
        False,
        False,
    ]


ANY_SIDES = {"flow", "autoregressive", "cnf"}  # docs/rest.md; cnf up to 1,024 elements
TAKE_NO_SERIES = {  # the field and the remedy
    "autoregressive": ("run.family", "else take the family flow"),
    "nis": ("run.data", "take the source unit_cube"),
    "puzzle_gan": ("run.data", "train gan"),
    "text_to_image": ("run.data.condition", "or train gan"),
}


@pytest.mark.parametrize("name", sorted(FAMILIES))
@pytest.mark.parametrize("length", [8, 1024])
def test_every_family_takes_series_or_says_what_to_do(name: str, length: int) -> None:
    spec, family = DataSpec(shape=(1, length), n_rows=100), FAMILIES[name].model_validate({})
    if name not in TAKE_NO_SERIES:
        family.check(spec)
        return
    field, remedy = TAKE_NO_SERIES[name]
    with pytest.raises(InvalidData, match=remedy) as error:
        family.check(spec)
    assert error.value.field == field


@pytest.mark.parametrize("name", sorted(FAMILIES.keys() - TAKE_NO_SERIES.keys() - ANY_SIDES))
@pytest.mark.parametrize("length", [7, 1025])
def test_families_of_convolutions_take_series_from_8_to_1024_steps(name: str, length: int) -> None:
    with pytest.raises(InvalidData, match=f"series have {length} steps; this family reads 8 to 1024; cut") as error:
        FAMILIES[name].model_validate({}).check(DataSpec(shape=(1, length), n_rows=100))
    assert error.value.field == "run.data"


def test_a_changed_copy_has_units_of_its_own():
    spec = DataSpec(shape=(3,))
    x = torch.zeros(1, 3)
    spec.normalize(x)
    shifted = spec.model_copy(update={"shift": (1.0, 2.0, 3.0)})
    assert shifted.normalize(x).tolist() == [[-1, -2, -3]]
    assert spec.normalize(x).tolist() == [[0, 0, 0]]
    assert spec.normalize(x.double()).dtype == torch.float64
    assert spec == DataSpec(shape=(3,))


@pytest.mark.parametrize("name", sorted(FAMILIES.keys() - {"nis"}))
@pytest.mark.parametrize(
    ("shape", "convolved"),
    [((1, 4, 4), False), ((1, 5, 32), True), ((1, 5, 64), True), ((1, 4, 32), False), ((1, 5, 65), False)],
)
def test_families_of_convolutions_take_sides_from_5_to_64_and_others_any(
    name: str, shape: tuple[int, ...], convolved: bool
) -> None:
    spec = DataSpec(shape=shape, low=0, high=16, levels=17, shift=(8.0,), scale=(8.0,), n_rows=100)
    if name == "text_to_image":
        spec = spec.model_copy(update={"condition": Text(max_length=8)})
    if convolved or name in ANY_SIDES:
        FAMILIES[name].model_validate({}).check(spec)
        return
    with pytest.raises(InvalidData, match="this family reads sides from 5 to 64; resize them"):
        FAMILIES[name].model_validate({}).check(spec)


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 5, 65), (2, 16, 16)])
@pytest.mark.parametrize("family", [{"family": "flow"}, {"family": "vae", "network": "perceptron"}])
def test_images_that_are_read_as_vectors_may_have_any_sides(family: dict[str, Any], shape: tuple[int, ...]) -> None:
    spec = DataSpec(shape=shape, low=0, high=16, levels=17, shift=(8.0,), scale=(8.0,))
    FAMILIES[family["family"]].model_validate({**family, "width": 8}).build(spec)


def test_a_count_of_nothing_is_zero_and_not_minus_zero() -> None:
    counts = DataSpec(shape=(2,), counts=True).quantize(torch.tensor([[-0.3, 2.6]]))
    assert counts.tolist() == [[0.0, 3.0]]
    assert not counts.signbit().any()
