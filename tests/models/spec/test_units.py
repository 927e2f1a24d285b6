"""Where data units become float32, and back; and when float32 is enough for them."""

import numpy as np
import pytest
import torch

from pushforward.models.errors import InvalidInput
from pushforward.models.spec.conditions import Vector
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.spec.precision import held_in, ulps

FAR = DataSpec(shape=(2,), shift=(1e8, 0.0), scale=(1.0, 1e-25))
NEAR = DataSpec(shape=(2,), shift=(60.0, -1e3), scale=(1.0, 20.0))


@pytest.mark.parametrize(
    ("shift", "scale", "held"),
    [
        (0.0, 1.0, "float32"),
        (127.5, 127.5, "float32"),
        (63.0, 1.0, "float32"),
        (64.0, 1.0, "float64"),
        (-1e8, 1.0, "float64"),
        (-1e8, 1e7, "float32"),
        (0.0, 1e-18, "float32"),
        (0.0, 1e-19, "float64"),
        (0.0, 1e19, "float64"),
    ],
)
def test_float32_holds_data_whose_spread_it_resolves(shift: float, scale: float, held: str) -> None:
    assert held_in((shift,), (scale,)) == DataSpec(shape=(3,), shift=(shift,), scale=(scale,)).dtype == held
    assert Vector(shift=(0.0, shift), scale=(1.0, scale)).dtype == held


@pytest.mark.parametrize(
    ("value", "held"), [(7.25, "float32"), (3e-6, "float32"), (2.0**30, "float32"), (123456789.0, "float64")]
)
def test_a_constant_is_held_in_a_type_that_writes_it_as_it_was(value: float, held: str) -> None:
    assert DataSpec(shape=(2,), scale=(1.0, 1.0), shift=(0.0, value), constants=((1, value),)).dtype == held


@pytest.mark.parametrize("levels", [2, 256, 65536])
def test_pictures_of_any_depth_are_held_in_float32(levels: int) -> None:
    half = (levels - 1) / 2
    assert DataSpec(shape=(1,), low=0, high=levels - 1, levels=levels, shift=(half,), scale=(half,)).dtype == "float32"


def test_networks_see_float32_and_data_come_back_in_the_type_that_holds_them() -> None:
    u = torch.linspace(-4, 4, 20).view(-1, 2)
    for spec, held in ((FAR, torch.float64), (NEAR, torch.float32)):
        x = spec.denormalize(u)
        assert (x.dtype, spec.normalize(x).dtype) == (held, torch.float32)
        torch.testing.assert_close(spec.normalize(x), u, rtol=0, atol=2e-5)


def test_float64_of_data_that_float32_holds_stays_float64() -> None:
    u = torch.linspace(-4, 4, 20, dtype=torch.float64).view(-1, 2)
    torch.testing.assert_close(NEAR.normalize(NEAR.denormalize(u)), u, rtol=0, atol=1e-12)


def test_a_changed_copy_forgets_what_was_found_of_the_old_one() -> None:
    assert (NEAR.dtype, NEAR.model_copy(update={"shift": (1e9, 0.0)}).dtype) == ("float32", "float64")
    spec = DataSpec(shape=(2,), shift=(0.0, 7.0), scale=(1.0, 1.0), constants=((1, 7.0),))
    assert spec.varying.n_rows is None
    assert spec.model_copy(update={"n_rows": 5}).varying.n_rows == 5


def test_constants_are_dropped_and_come_back_where_they_were() -> None:
    spec = DataSpec(shape=(4,), shift=(1.0, 7.0, 2.0, 8.0), scale=(1.0,) * 4, constants=((1, 7.0), (3, 8.0)))
    x = torch.tensor([[1.0, 7.0, 3.0, 8.0]])
    assert spec.drop_constants(x).tolist() == [[1, 3]]
    assert torch.equal(spec.restore_constants(spec.drop_constants(x)), x)
    assert (spec.varying.shape, spec.varying.shift) == ((2,), (1.0, 2.0))
    assert spec.log_jacobian == spec.varying.log_jacobian


@pytest.mark.parametrize(
    "constants", [((0, 1.0), (1, 1.0)), ((2, 1.0),), ((-1, 1.0),), ((0, np.inf),), ((0, 1.0), (0, 1.0))]
)
def test_constants_that_contradict_the_shape_are_refused(constants: tuple[tuple[int, float], ...]) -> None:
    with pytest.raises(ValueError, match="constants are"):
        DataSpec(shape=(2,), constants=constants)


def test_a_rounding_beyond_the_range_is_taken_back_and_more_is_refused() -> None:
    spec = DataSpec(shape=(1,), low=0.1, high=0.9, shift=(0.5,), scale=(0.4,))
    border = np.array([[np.float32(0.9)], [np.float32(0.1)]], np.float32)
    spec.check(border)
    held = spec.hold(border)
    assert held.dtype == np.float32
    assert float(held[0, 0]) <= 0.9
    assert float(held[1, 0]) >= 0.1
    assert float(spec.clip(torch.tensor([[5.0]]))) <= 0.9
    for x in (0.900001, 0.0999):
        with pytest.raises(InvalidInput, match="lie in"):
            spec.check(np.array([[x]]))


def test_an_ulp_is_that_of_the_coarsest_type() -> None:
    assert ulps(1.0, np.float64, np.float32) == 4 * 2.0**-23
    assert ulps(1.0, np.float64, np.int64) == 4 * 2.0**-52


def test_a_range_is_clipped_in_network_units() -> None:
    spec = DataSpec(shape=(2,), low=1e8, high=1e8 + 2, shift=(1e8 + 1,), scale=(1.0,))
    u = torch.tensor([[-3.0, 0.25]])
    assert spec.clip_units(u, 1e8, 1e8 + 2).tolist() == [[-1.0, 0.25]]


@pytest.mark.parametrize("spec", [FAR, DataSpec(shape=(2,)), DataSpec(shape=(2,), scale=(1e-150, 1e150))])
@pytest.mark.parametrize("value", [1e300, -np.finfo(float).max])
def test_a_row_beyond_float32_is_refused_and_nothing_overflows(spec: DataSpec, value: float) -> None:
    with pytest.raises(InvalidInput, match="so far from this model's data"):
        spec.check(np.array([[value, 0.0]]))


def test_values_of_rows_that_are_not_finite_are_located() -> None:
    with pytest.raises(InvalidInput, match="every value must be finite: infinity in row 1, column 0, and 1 more"):
        DataSpec(shape=(2,)).check(np.array([[0, 0], [np.inf, 0], [0, np.nan]]))
    with pytest.raises(InvalidInput, match=r"NaN in row 0, element \[0, 1, 0\]$"):
        DataSpec(shape=(1, 2, 1)).check(np.array([[[[0], [np.nan]]]]))
