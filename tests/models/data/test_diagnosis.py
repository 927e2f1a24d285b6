"""Data that no density fits are recognized before training: noted, handled or refused."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pushforward.models.errors import InvalidData
from pushforward.models.evaluation.held_out import evaluate
from pushforward.models.evaluation.judgement import judge
from pushforward.models.evaluation.measurement import finished
from pushforward.models.families import FAMILIES
from pushforward.models.family import Family, Scores, Translates
from pushforward.models.noise import Noise
from pushforward.models.run import Run
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import sample
from pushforward.models.storage.model import load_model
from pushforward.models.training.checkpoint import save_model
from pushforward.models.training.data import TrainingData, in_data_units, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

CPU = torch.device("cpu")
N = 2_400
RNG = np.random.default_rng(0)
Z = RNG.standard_normal((N, 3))
COUNTS = RNG.poisson(4, (N, 2))
FLAGS = np.eye(3)[RNG.integers(0, 3, N)]
FLOW = {"family": "flow", "width": 16, "n_transforms": 2}


def loaded(root: Path, x: np.ndarray, family: dict[str, Any] = FLOW, *, steps: int = 1, **source: Any) -> TrainingData:
    return load_data(run_of(root, x, family, steps=steps, **source), root)


def run_of(root: Path, x: np.ndarray, family: dict[str, Any] = FLOW, *, steps: int = 1, **source: Any) -> Run:
    beside = {name: source.pop(name) for name in ("y", "c") if name in source}
    np.savez(root / "x.npz", x=x, **beside)
    data = {"source": "npy", "path": "x.npz", **source}
    return Run.model_validate({"family": family, "data": data, "budget": {"steps": steps}})


def with_columns(*columns: np.ndarray) -> np.ndarray:
    """Three independent columns, then others."""
    return np.column_stack([Z, *columns])


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (with_columns(np.full(N, 7.25)), "Constant in the data: column 3 ("),
        (with_columns(FLAGS), "one-hot codes: columns 3, 4, 5:"),
        (with_columns(FLAGS), "Column 5 of the data is a linear function of columns 3, 4"),
        (with_columns((4 * Z[:, 0]).round() / 2), "Of few values in the data, or of one that is frequent: column 3:"),
        (with_columns(Z[:, 1].clip(0)), "Of few values in the data, or of one that is frequent: column 3:"),
        (with_columns(Z[:, 1]), "Column 3 of the data repeats column 1"),
        (with_columns(1e3 - 1e-6 * Z[:, 1]), "Column 3 of the data repeats column 1"),
        (
            with_columns((Z @ [1, 2, -1]).astype(np.float32)),
            "Column 3 of the data is a linear function of columns 0, 1",
        ),
        (with_columns(np.tanh(Z[:, 2])), "is almost a function of column"),
        (np.concatenate([Z, [[3e5, 0, 0]]]), "Far outliers in the data: column 0: up to"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
@pytest.mark.parametrize("unit", [1.0, 1e-9])
def test_columns_without_a_density_are_noted_by_name(tmp_path: Path, x: np.ndarray, says: str, unit: float) -> None:
    found = loaded(tmp_path, unit * x).notes
    assert any(says in note for note in found), found


@pytest.mark.parametrize("dtype", [np.int64, np.int16, np.float32])
def test_whole_numbers_are_noted_with_the_levels_they_would_be(tmp_path: Path, dtype: type) -> None:
    (note,) = loaded(tmp_path, COUNTS.clip(0, 9).astype(dtype)).notes
    assert "Of whole numbers in the data: columns 0, 1:" in note
    assert "give data.low 0, data.high 9, data.levels 10" in note
    (note,) = loaded(tmp_path, with_columns(COUNTS)).notes
    assert "Of whole numbers in the data: columns 3, 4:" in note
    assert "data.levels" not in note


@pytest.mark.parametrize("spread", [1e-30, 1.0, 1e30])
def test_ordinary_columns_are_left_without_a_note(tmp_path: Path, spread: float) -> None:
    x = spread * (Z @ RNG.standard_normal((3, 3)) + [0, 1e3, -1e6])
    x[:, 2] = spread * np.exp(Z[:, 2])
    assert loaded(tmp_path, x).notes == ()


@pytest.mark.parametrize(
    ("x", "field", "says"),
    [
        (np.column_stack([1e16 + 3 * Z[:, 0], Z[:, 1]]), "run.data.path", "column 0 varies by"),
        (np.column_stack([Z[:, 0], 1e6 + Z[:, 1]]).astype(np.float32), "run.data.path", "save it as float64"),
        (np.concatenate([Z, [[0, 1e12, 0]]]), "run.data.path", "column 1 holds values as far out as"),
        (np.tile([[1.0, 2.0]], (N, 1)), "run.data.path", "nothing to learn"),
        (FLAGS > 0.5, "run.data.path", "give low 0, high 1, levels 2"),
    ],
)
def test_what_cannot_be_modeled_is_refused_naming_the_column(
    tmp_path: Path, x: np.ndarray, field: str, says: str
) -> None:
    if "float64" in says:
        x[:, 1] = np.float32(1e6) + np.float32(0.0625) * RNG.integers(-8, 9, N)
    with pytest.raises(InvalidData) as refused:
        loaded(tmp_path, x)
    assert (refused.value.field, says in refused.value.message) == (field, True), refused.value.message


COUNTER = np.arange(N)
STEPS = 2**60 + COUNTER


@pytest.mark.parametrize(
    ("column", "apart"),
    [
        (STEPS, "256"),
        (-STEPS, "256"),
        (STEPS.astype(float), "256"),
        (2.0**60 + 256.0 * (COUNTER % 3), "256"),  # two ulps wide, and of three whole numbers
        (2.0**52 + COUNTER % 2, "1"),
        ((np.uint64(2**63) + COUNTER.astype(np.uint64)), "2.05e+03"),
        (np.where(COUNTER % 2, np.iinfo(np.int64).min, np.iinfo(np.int64).min + 9), "2.05e+03"),
        ((2**25 + COUNTER % 5).astype(np.float32), "4"),
        (1.7e18 + COUNTER, "256"),  # nanoseconds, of microseconds
    ],
)
def test_distinct_whole_numbers_are_no_constant_where_floats_cannot_tell_them_apart(
    tmp_path: Path, column: np.ndarray, apart: str
) -> None:
    rows = column[:, None] * np.ones((1, 1), column.dtype)
    for x, c in ((rows, None), (Z, rows)):
        beside = {} if c is None else {"c": c, "condition": "vector"}
        with pytest.raises(InvalidData, match=rf"column 0 varies by .* are {re.escape(apart)} apart; .*subtract the"):
            loaded(tmp_path, x, **beside)
    with pytest.raises(InvalidData, match="the array varies by"):
        loaded(tmp_path, np.tile(rows[:, :, None], (1, 2, 3)))


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.float64])
def test_large_whole_numbers_that_are_far_enough_apart_keep_their_distances(tmp_path: Path, dtype: type) -> None:
    seconds = RNG.permutation(N)
    data = loaded(tmp_path, np.column_stack([1_700_000_000 * 10**9 + 10**9 * seconds, seconds]).astype(dtype))
    assert data.spec.shape == (2,)
    assert data.train.x[:, 0] - 1.7e18 == pytest.approx(1e9 * data.train.x[:, 1], abs=256)  # type: ignore[union-attr]


def test_a_large_whole_number_in_all_rows_is_a_constant(tmp_path: Path) -> None:
    x = np.column_stack([np.full(N, 2**60 + 256), RNG.integers(0, 10**6, N)])
    spec = loaded(tmp_path, x).card_spec
    assert spec is not None
    assert spec.constants == ((0, 2.0**60 + 256),)


@pytest.mark.parametrize("value", [1.0, 0.3, 1e30, -7e-12])
def test_a_column_that_varies_by_rounding_alone_is_noted_as_such(tmp_path: Path, value: float) -> None:
    noisy = np.where(COUNTER % 3, value, np.nextafter(value, np.inf))
    (note,) = loaded(tmp_path, with_columns(noisy)).notes
    assert note.startswith("Constant in the data, but for rounding: column 3 (")


@pytest.mark.parametrize("unit", [1e151, 1e160, 1e300, 1e-151, 1e-160, 1e-300])
def test_columns_whose_squares_float64_does_not_hold_are_refused_with_the_remedy(tmp_path: Path, unit: float) -> None:
    remedy = "divide it, or take logarithms" if unit > 1 else "multiply it, so that it varies by 1e-150 at least"
    x = Z.copy()
    x[:, 1] *= unit
    for rows, beside, what, field in (
        (x, {}, "^column 1 ", "run.data.path"),
        (Z, {"c": x, "condition": "vector"}, "`c` cannot be used: its column 1 ", "run.data.condition"),
        (unit * Z.reshape(-1, 4, 3), {}, "^the array ", "run.data.path"),
    ):
        with pytest.raises(InvalidData, match=f"{what}.*; {remedy}") as refused:
            loaded(tmp_path, rows, **beside)
        assert refused.value.field == field


@pytest.mark.parametrize(("low", "high", "field"), [(-1e160, 0, "low"), (0, 1e160, "high"), (0, 1e-160, "high")])
def test_a_range_whose_squares_float64_does_not_hold_is_refused_by_the_header(
    tmp_path: Path, low: float, high: float, field: str
) -> None:
    run = run_of(tmp_path, (Z * 0).astype(np.float32), low=low, high=high)
    with pytest.raises(InvalidData, match=r"1e[+-]150") as refused:
        run.data.outline(tmp_path)
    assert refused.value.field == field


@pytest.mark.parametrize("family", ["flow", "vae", "gan"])
@pytest.mark.parametrize("unit", [1e149, 1e30, 9e17, 1e-149])
def test_columns_of_any_unit_with_squares_are_trained_on_and_judged(tmp_path: Path, family: str, unit: float) -> None:
    x = np.column_stack([unit * Z[:300], np.full(300, np.finfo(float).max)])
    small = {"width": 16} | ({"n_transforms": 2} if family == "flow" else {})
    run = run_of(tmp_path, x, {"family": family, **small})
    data = load_data(run, tmp_path)
    state = fresh(run, data, CPU)
    for _ in train(data, state):
        pass
    metrics = finished(judge(data, state)).metrics
    assert [name for name, value in metrics.items() if not np.isfinite(value)] == []
    assert metrics.get("validation_rmse", unit) > 0


def test_one_wild_row_is_refused_whether_it_trains_or_is_held_out(tmp_path: Path) -> None:
    held_out = np.flatnonzero(np.isin(Z[:, 0].astype(np.float32), loaded(tmp_path, Z).validation.x[:, 0]))
    for row in (held_out[0], np.setdiff1d(COUNTER, held_out)[0]):
        for far in (-1e20, 1e13):
            x = Z.copy()
            x[row, 2] = far
            where = re.escape(f"column 2 holds values as far out as {far:g}, ")
            with pytest.raises(InvalidData, match=f"{where}.*; drop or clip such rows"):
                loaded(tmp_path, x)


def test_a_vector_condition_whose_numbers_are_lost_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="column 1 varies by") as refused:
        loaded(tmp_path, Z, c=np.column_stack([Z[:, 0], 1e17 + 40 * Z[:, 1]]), condition="vector")
    assert refused.value.field == "run.data.condition"


@pytest.mark.parametrize(
    "family", [{"family": "autoregressive"}, {"family": "vae", "likelihood": {"likelihood": "binomial"}}]
)
def test_a_family_of_levels_says_which_levels_whole_numbers_would_be(tmp_path: Path, family: dict[str, Any]) -> None:
    run = run_of(tmp_path, COUNTS.clip(0, 9).astype(float), family)
    with pytest.raises(InvalidData, match=r"give data\.low 0, data\.high 9, data\.levels 10"):
        run.family.build(load_data(run, tmp_path).spec)
    with pytest.raises(InvalidData, match=r"give data\.low and data\.high, .*data\.levels"):
        run.family.check(run.data.outline(tmp_path))
    ranged = run_of(tmp_path, COUNTS.clip(0, 9), family, low=0, high=9)
    with pytest.raises(InvalidData, match=r"give data\.levels 10"):
        ranged.family.check(ranged.data.outline(tmp_path))
    taken = run_of(tmp_path, COUNTS.clip(0, 9), family, low=0, high=9, levels=10)
    taken.family.build(load_data(taken, tmp_path).spec)


def test_shift_and_scale_are_fitted_on_training_rows_alone(tmp_path: Path) -> None:
    data = loaded(tmp_path, Z, c=Z[:, :1] + 5, condition="vector")
    assert data.spec.shift == pytest.approx(tuple(data.train.x.mean(0)), abs=1e-6)  # type: ignore[union-attr]
    assert data.spec.scale == pytest.approx(tuple(data.train.x.std(0)), abs=1e-6)  # type: ignore[union-attr]
    assert data.spec.shift != pytest.approx(tuple(Z.mean(0)), abs=1e-4)
    assert data.spec.condition.shift == pytest.approx((data.spec.shift[0] + 5,), rel=1e-12)  # type: ignore[union-attr]


def test_a_number_of_the_condition_that_never_varies_is_noted(tmp_path: Path) -> None:
    data = loaded(tmp_path, Z, c=np.column_stack([Z[:, 0], np.full(N, 7e9)]), condition="vector")
    assert data.notes == ("Constant in the condition: column 1: the model has learned nothing of other values there.",)
    code = data.spec.condition.code(torch.tensor([[0.0, 7e9]], dtype=torch.float64))  # type: ignore[union-attr]
    assert code[0, 1:].tolist() == [0, 1]


def test_a_column_that_varies_among_held_out_rows_only_is_no_constant(tmp_path: Path) -> None:
    first = loaded(tmp_path, Z)
    x = np.column_stack([Z[:, 0], (Z[:, 0].astype(np.float32) == first.validation.x[0, 0]).astype(float)])
    data = loaded(tmp_path, x)
    assert data.spec.constants == ()
    assert data.spec.scale[1] == pytest.approx(N**-0.5, rel=0.01)


def test_all_labels_count_though_some_are_held_out(tmp_path: Path) -> None:
    first = loaded(tmp_path, Z)
    y = 3 * (Z[:, 0].astype(np.float32) == first.validation.x[0, 0]).astype(int)
    assert loaded(tmp_path, Z, y=y, condition="label").spec.condition.size == 4  # type: ignore[union-attr]


@pytest.mark.parametrize("value", [3e-6, 7.25, 123456789.0, 0.0, -1e-30])
def test_a_constant_column_stays_constant_and_has_no_part_in_densities(tmp_path: Path, value: float) -> None:
    def scored(x: np.ndarray) -> tuple[TrainingData, torch.Tensor, Any]:
        run = run_of(tmp_path, x, steps=2)
        data = load_data(run, tmp_path)
        state = fresh(run, data, CPU)
        for _ in train(data, state):
            pass
        family = run.family
        assert isinstance(family, Scores)
        x0 = in_data_units(data, data.validation, CPU)
        noise = Noise.rows(0, len(x0))
        with torch.no_grad():
            return data, family.log_prob(state.average, x0, torch.empty(len(x0), 0), noise, None).value, state

    _, expected, _ = scored(Z[:, :2])
    data, found, state = scored(np.column_stack([Z[:, 0], np.full(N, value), Z[:, 1]]))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    folder = tmp_path / "model"
    folder.mkdir()
    card = save_model(folder, state, {}, data.fingerprint)
    assert (card.spec.shape, card.spec.constants) == ((3,), ((1, value),))
    assert card.notes == data.notes
    model = load_model(folder, CPU)
    drawn = card.spec.restore_constants(sample(model.family.sampler(model.nets, None), Noise.rows(0, 5)))  # type: ignore[attr-defined]
    assert drawn.shape == (5, 3)
    assert [float(str(each)) for each in drawn[:, 1].numpy()] == [value] * 5


def test_a_flow_of_data_far_from_zero_finds_their_density(tmp_path: Path) -> None:
    """Columns 1e8 + N(0, 1) and N(0, 1): -log p is 2.84 nats in the mean."""
    x = np.array([1e8, 0]) + np.random.default_rng(1).standard_normal((3_000, 2))
    run = run_of(tmp_path, x, steps=150)
    data = load_data(run, tmp_path)
    state = fresh(run, data, CPU)
    for _ in train(data, state):
        pass
    log_p = evaluate(data, state)["validation_log_prob_nats_exact"]
    truth = float((-0.5 * (data.validation.x - [1e8, 0]) ** 2 - 0.5 * np.log(2 * np.pi)).sum(1).mean())
    assert log_p == pytest.approx(truth, abs=0.1)
    drawn = sample(run.family.sampler(state.average, None), Noise.rows(0, 2_000)).numpy()  # type: ignore[attr-defined]
    assert drawn.std(0) == pytest.approx([1, 1], rel=0.1)
    assert drawn.mean(0) - [1e8, 0] == pytest.approx([0, 0], abs=0.1)


def test_a_constant_column_of_a_range_is_outside_the_density_too(tmp_path: Path) -> None:
    spec = loaded(tmp_path, np.column_stack([Z.clip(-2, 2), np.full(N, 1.5)]), low=-2, high=2).spec
    assert (spec.shape, spec.low, spec.high) == ((3,), -2, 2)


def test_a_card_of_an_earlier_release_is_read() -> None:
    earlier = '{"shape": [2], "low": null, "high": null, "levels": null, "shift": [0.5, 0.25], "scale": [0.87, 0.5]}'
    spec = DataSpec.model_validate_json(earlier)
    assert (spec.dtype, spec.constants, spec.varying) == ("float32", (), spec)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_can_be_built_for_data_with_a_constant_column(name: str, tmp_path: Path) -> None:
    family: Family = FAMILIES[name].model_validate({})
    data = loaded(tmp_path, with_columns(np.ones(N)))
    if name not in ("autoregressive", "nis", "puzzle_gan", "text_to_image"):
        told = Labels(n_classes=2) if isinstance(family, Translates) else None
        nets = family.build(data.spec.model_copy(update={"condition": told}))
        assert nets.spec.shape == (3,)


# --- channels ---


@pytest.mark.parametrize("side", [8, 16, 80])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_with_channels_last_are_transposed_with_a_note(tmp_path: Path, side: int, channels: int) -> None:
    x = RNG.integers(0, 256, (12, side, side, channels), dtype=np.uint8)
    run = run_of(tmp_path, x, {"family": "vae", "likelihood": {"likelihood": "bernoulli"}})
    outline = run.data.outline(tmp_path)
    assert outline.shape == (channels, side, side)
    if side > 64:
        with pytest.raises(InvalidData, match="80x80"):
            run.family.check(outline)
        return
    data = load_data(run, tmp_path)
    assert any("numpy.moveaxis(x, -1, 1)" in note for note in data.notes)
    assert data.train.x.shape[1:] == (channels, side, side)  # type: ignore[union-attr]
    first = np.flatnonzero((np.moveaxis(x, -1, 1) == data.validation.x[0]).all((1, 2, 3)))
    assert len(first) == 1


@pytest.mark.parametrize("shape", [(12, 3, 8, 4), (12, 4, 16, 4), (12, 8, 16, 16), (12, 64, 64, 5)])
def test_images_whose_channels_could_be_either_axis_are_refused_until_it_is_said(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    x = RNG.random(shape)
    with pytest.raises(InvalidData, match=r"\(N, H, W, C\), which is transposed") as refused:
        loaded(tmp_path, x)
    assert refused.value.field == "run.data.channels"
    assert loaded(tmp_path, x, channels="first").spec.shape == shape[1:]
    assert loaded(tmp_path, x, channels="last").spec.shape == (shape[3], *shape[1:3])


def test_gray_images_and_images_with_channels_first_are_taken_as_they_are(tmp_path: Path) -> None:
    for x, shape in ((RNG.random((12, 6, 7)), (1, 6, 7)), (RNG.random((12, 3, 6, 7)), (3, 6, 7))):
        data = loaded(tmp_path, x)
        assert (data.spec.shape, data.notes) == (shape, ())


def test_images_of_whole_numbers_are_noted_with_the_levels_they_would_be(tmp_path: Path) -> None:
    x = RNG.integers(0, 65536, (20, 8, 8)).astype(np.uint16)
    x[0, 0, :2] = 0, 65535
    (note,) = loaded(tmp_path, x).notes
    assert "give data.low 0, data.high 65535, data.levels 65536" in note
    assert loaded(tmp_path, x, low=0, high=65535, levels=65536).notes == ()


# --- ranges and levels ---


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.9), (-1, 1), (0, 65535), (1e6, 1e6 + 1), (-1e-9, 2e-9)])
@pytest.mark.parametrize("levels", [2, 17, 256, 65536])
def test_levels_of_any_range_are_known_for_levels(tmp_path: Path, low: float, high: float, levels: int) -> None:
    x = low + (high - low) / (levels - 1) * RNG.integers(0, levels, (40, 3))
    spec = loaded(tmp_path, x, low=low, high=high, levels=levels).spec
    drawn = spec.quantize(spec.denormalize(torch.linspace(-1, 1, 3 * 400).view(-1, 3))).numpy()
    spec.check(drawn, on_levels=True)
    spec.check(np.array(drawn.tolist()), on_levels=True)
    assert spec.to_level(torch.from_numpy(spec.hold(x))).numpy() == pytest.approx((x - low) / spec.bin_width, abs=0.01)


def test_sixteen_bit_pictures_between_minus_one_and_one_are_on_their_levels(tmp_path: Path) -> None:
    x = RNG.integers(0, 65536, (20, 8, 8)).astype(np.uint16) / 32767.5 - 1
    for saved in (x, x.astype(np.float32)):
        assert loaded(tmp_path, saved, low=-1, high=1, levels=65536).spec.levels == 65536
    with pytest.raises(InvalidData, match="between levels"):
        loaded(tmp_path, x + 1e-6 * (x < 0.9), low=-1, high=1, levels=65536)
