"""Sources tell what their data are, and refuse what they cannot read by naming the field and the remedy."""

import gzip
import io
import os
import re
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from pushforward.models.data import (
    AnyData,
    Checkerboard,
    Digits,
    EightGaussians,
    Finite,
    GridGaussians,
    Idx,
    Mixture,
    Npy,
    RingGaussians,
    Toy,
    TwoMoons,
    UnitCube,
)
from pushforward.models.errors import InvalidData
from pushforward.models.spec.conditions import Labels, Vector
from pushforward.models.spec.data_spec import DataSpec

TOYS: list[Toy] = [TwoMoons(), EightGaussians(), RingGaussians(), GridGaussians(), Checkerboard()]
N = 200_000
VECTORS = np.random.default_rng(0).normal(3, 2, size=(40, 3))
IMAGES = np.random.default_rng(0).integers(0, 256, size=(20, 6, 5), dtype=np.uint8)


def refused(source: Finite, root: Path) -> InvalidData:
    """The refusal of what a source holds; any other exception fails the test."""
    try:
        source.outline(root)
        source.spec(source.rows(root))
    except InvalidData as refusal:
        return refusal
    pytest.fail("nothing was refused")


@pytest.mark.parametrize("toy", TOYS, ids=lambda toy: toy.source)
def test_a_toy_has_the_mean_and_deviation_it_tells(toy: Toy) -> None:
    x = toy.draw(N, np.random.default_rng(1)).astype(np.float64)
    assert x.mean(0) == pytest.approx(toy.mean, abs=0.03)
    assert x.std(0) == pytest.approx(toy.std, rel=0.01)
    assert toy.spec.shape == (2,)


@pytest.mark.parametrize(
    ("toy", "nats"),
    [
        (TwoMoons(noise=0.05), 0.28923),  # by quadrature on a finer grid
        (TwoMoons(noise=0.1), 1.00758),
        (EightGaussians(), 2.83158),  # by a sum over a grid of step 0.02
        (RingGaussians(), -4.29302),  # 1 + log(2 pi) + 2 log .01 + log 8: no two modes overlap
        (GridGaussians(), 0.06529),
        (Checkerboard(), 3.46574),
    ],
)
def test_a_toy_knows_its_entropy(toy: Toy, nats: float) -> None:
    assert toy.entropy_nats == pytest.approx(nats, abs=1e-5)


def components(toy: Toy) -> tuple[np.ndarray, float]:
    """Centers of equal Gaussians whose mixture is the toy's density, and their standard deviation."""
    if isinstance(toy, TwoMoons):
        angle = (np.arange(150) + 0.5) * np.pi / 150
        upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return np.concatenate([upper, [1.0, 0.5] - upper]), toy.noise
    assert isinstance(toy, EightGaussians | RingGaussians | GridGaussians)
    return toy.centers, toy.mode_std


@pytest.mark.parametrize("toy", [toy for toy in TOYS if not isinstance(toy, Checkerboard)], ids=lambda toy: toy.source)
def test_an_entropy_agrees_with_monte_carlo(toy: Toy) -> None:
    centers, spread = components(toy)
    x = toy.draw(10_000, np.random.default_rng(2)).astype(np.float64)
    square = ((x[:, None] - centers) ** 2).sum(-1) / (2 * spread**2)
    log_p = np.log(np.exp(-square).mean(1) / (2 * np.pi * spread**2))
    assert abs(-log_p.mean() - toy.entropy_nats) < 5 * log_p.std() / len(x) ** 0.5


def test_a_unit_cube_is_filled_evenly_in_every_dimension() -> None:
    cube = UnitCube(d=3)
    x = cube.draw(N, np.random.default_rng(0))
    cube.spec.check(x)
    assert x.mean(0) == pytest.approx([1 / 2] * 3, abs=0.01)
    assert x.var(0) == pytest.approx([1 / 12] * 3, rel=0.03)
    assert (cube.spec.shape, cube.entropy_nats) == ((3,), 0.0)


def test_the_checkerboard_stays_on_its_dark_squares() -> None:
    column, row = np.floor((Checkerboard().draw(5_000, np.random.default_rng(0)) + 4) / 2).T
    assert set(column) == set(row) == {0, 1, 2, 3}
    assert ((column + row) % 2 == 0).all()


@pytest.mark.parametrize("toy", TOYS, ids=lambda toy: toy.source)
def test_a_toy_is_a_function_of_its_generator(toy: Toy) -> None:
    a, b = (toy.draw(50, np.random.default_rng(5)) for _ in range(2))
    assert a.dtype == np.float32
    assert np.array_equal(a, b)


def test_digits_have_17_levels_and_10_labels(tmp_path: Path) -> None:
    source = Digits()
    rows = source.rows(tmp_path)
    spec = source.spec(rows)
    assert (rows.x.shape, spec.levels, spec.n_classes) == ((1797, 1, 8, 8), 17, 10)
    spec.check(rows.x.astype(np.float32), on_levels=True)


def test_a_fingerprint_tells_rows_shapes_and_labels_apart(tmp_path: Path) -> None:
    rows = Digits().rows(tmp_path)
    others = [rows._replace(y=None), rows._replace(x=rows.x[::-1]), rows._replace(x=rows.x.reshape(1797, 64))]
    assert len({rows.fingerprint, *(other.fingerprint for other in others)}) == 4


def test_a_source_is_chosen_by_its_name() -> None:
    assert TypeAdapter(AnyData).validate_python({"source": "two_moons", "noise": 0.2}) == TwoMoons(noise=0.2)


# --- arrays ---


def test_vectors_are_normalized_column_by_column(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", VECTORS)
    source = Npy(path="x.npy")
    source.outline(tmp_path)
    rows = source.rows(tmp_path)
    spec = source.spec(rows)
    assert rows.x.dtype == np.float64
    assert spec.shift == pytest.approx(VECTORS.mean(0), rel=1e-5)
    assert spec.scale == pytest.approx(VECTORS.std(0), rel=1e-5)
    assert spec.levels is None


def test_a_constant_column_is_not_divided_by_zero(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((20, 2)) * [1, 0] + np.arange(20)[:, None] * [0, 1])
    source = Npy(path="x.npy")
    spec = source.spec(source.rows(tmp_path))
    assert (spec.scale[0], spec.constants) == (1.0, ((0, 1.0),))
    np.save(tmp_path / "x.npy", np.ones((20, 2)))
    assert "nothing to learn" in refused(source, tmp_path).message


def test_bytes_are_images_of_256_levels_with_labels_from_an_npz(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", x=IMAGES, y=np.arange(20) % 4)
    source = Npy(path="x.npz", condition="label")
    source.outline(tmp_path)
    rows = source.rows(tmp_path)
    spec = source.spec(rows)
    assert rows.x.shape == (20, 1, 6, 5)
    assert (spec.levels, spec.low, spec.high, spec.n_classes) == (256, 0, 255, 4)


def test_a_range_and_levels_can_be_told(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", IMAGES % 5)
    source = Npy(path="x.npy", low=0, high=4, levels=5)
    assert source.spec(source.rows(tmp_path)).levels == 5


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"low": 0.0}, "low"),
        ({"high": 9.0}, "low"),
        ({"levels": 5}, "low"),
        ({"low": 4.0, "high": 0.0}, "high"),
        ({"low": 0.0, "high": 3.0}, "low"),
        ({"low": 0.0, "high": 4.0, "levels": 3}, "low"),
    ],
)
def test_a_range_that_does_not_fit_is_refused(tmp_path: Path, told: dict[str, Any], field: str) -> None:
    np.save(tmp_path / "x.npy", IMAGES % 5)
    assert refused(Npy(path="x.npy", **told), tmp_path).field == field


@pytest.mark.parametrize(
    "array",
    [
        np.array([["a", "b"]] * 20),
        np.array([[1 + 2j]] * 20),
        np.array([[True]] * 20),
        np.zeros(20),
        np.zeros((9, 2)),
        np.zeros((20, 0)),
        np.zeros((20, 1, 2, 3, 4)),
        np.zeros(20, dtype=[("a", "f4")]),
        np.array([[np.nan, 1.0]] * 20),
        np.array([[np.inf, 1.0]] * 20),
        np.array([[1e300, 1.0]] * 20),
        np.array([[object(), None]] * 20, dtype=object),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
def test_an_array_that_is_not_rows_of_finite_numbers_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    assert refused(Npy(path="x.npy"), tmp_path).field == "path"


@pytest.mark.parametrize(
    ("shape", "at", "n", "where"),
    [
        ((20, 3), (4, 2), 1, "NaN in row 4, column 2"),
        ((20, 3), (4, 2), 5, "NaN in row 4, column 2, and 4 more"),
        ((20, 2, 3), (7, 1, 0), 2, r"NaN in row 7, element \[1, 0\], and 1 more"),
    ],
)
def test_values_that_are_not_finite_are_located(
    tmp_path: Path, shape: tuple[int, ...], at: tuple[int, ...], n: int, where: str
) -> None:
    x = np.random.default_rng(0).standard_normal(shape)
    flat = int(np.ravel_multi_index(at, shape))
    x.flat[flat : flat + n] = np.nan
    np.savez(tmp_path / "x.npz", x=x, c=np.where(np.arange(20) == 3, -np.inf, 0.0)[:, None])
    message = refused(Npy(path="x.npz"), tmp_path).message
    assert re.search(f"NaN or infinite; drop or fill them: {where}$", message), message
    np.savez(tmp_path / "x.npz", x=np.eye(20), c=np.where(np.arange(20) == 3, -np.inf, 0.0)[:, None])
    assert refused(Npy(path="x.npz", condition="vector"), tmp_path).message.endswith("-infinity in row 3, column 0")


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.array([["a", "b"]] * 20), r"holds text \(dtype <U1\); save numbers"),
        (np.array([[b"a", b"b"]] * 20), r"holds text \(dtype \|S1\); save numbers"),
        (np.zeros((20, 2), "M8[ns]"), r"holds times \(dtype datetime64\[ns\]\); save numbers"),
        (np.zeros((20, 2), "m8[s]"), r"holds times \(dtype timedelta64\[s\]\)"),
        (np.zeros((20, 2), complex), r"holds complex numbers \(dtype complex128\); save their real"),
        (np.zeros(20, [("a", "f4")]), r"holds records \(dtype \[\('a', '<f4'\)\]\); save a plain array"),
        (np.array([[1.0, None]] * 20, object), r"holds pickled objects \(dtype object\), .*astype\(numpy.float64\)"),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, np.ndarray) else "",
)
def test_an_array_of_no_numbers_is_refused_with_its_type_and_what_to_save(
    tmp_path: Path, array: np.ndarray, says: str
) -> None:
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(InvalidData, match=says):
        Npy(path="x.npy").outline(tmp_path)


def test_a_pickled_array_in_an_archive_is_refused_unopened(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.array([[os.system]] * 20, dtype=object), allow_pickle=True)
    assert "pickled" in refused(Npy(path="x.npz"), tmp_path).message


@pytest.mark.parametrize("labels", [np.arange(19), np.zeros((20, 1), int), np.zeros(20), -np.ones(20, int),
                                    np.full(20, 10**9)])  # fmt: skip
def test_labels_that_are_not_small_counting_numbers_are_refused(tmp_path: Path, labels: np.ndarray) -> None:
    np.savez(tmp_path / "x.npz", x=VECTORS[:20], y=labels)
    refusal = refused(Npy(path="x.npz", condition="label"), tmp_path)
    assert (refusal.field, "labels" in refusal.message) == ("condition", True)


@pytest.mark.parametrize("labels", [np.arange(39), np.zeros((40, 1), int), np.zeros(40)])
def test_labels_of_another_shape_or_type_are_refused_by_the_header(tmp_path: Path, labels: np.ndarray) -> None:
    np.savez(tmp_path / "x.npz", x=VECTORS, y=labels)
    with pytest.raises(InvalidData, match="must be 40 labels") as refusal:
        Npy(path="x.npz", condition="label").outline(tmp_path)
    assert refusal.value.field == "condition"


def test_what_no_condition_asks_for_is_not_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=VECTORS, y=np.array(["a"] * 40), c=np.full((40, 2), np.nan))
    source = Npy(path="x.npz")
    assert source.outline(tmp_path).condition is None
    rows = source.rows(tmp_path)
    assert (rows.y, rows.c) == (None, None)
    assert source.conditions(rows) is None


def test_an_archive_without_rows_names_what_it_holds(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", data=VECTORS)
    assert "data" in refused(Npy(path="x.npz"), tmp_path).message


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_a_file_torn_anywhere_is_refused(tmp_path: Path, name: str) -> None:
    (np.save if name == "x.npy" else np.savez)(tmp_path / name, **{"arr" if name == "x.npy" else "x": VECTORS})
    whole = (tmp_path / name).read_bytes()
    for size in range(0, len(whole), 37):
        (tmp_path / name).write_bytes(whole[:size])
        assert refused(Npy(path=name), tmp_path).field == "path"


def test_an_archive_with_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", x=VECTORS)
    whole = bytearray((tmp_path / "x.npz").read_bytes())
    whole[len(whole) // 2] ^= 4
    (tmp_path / "x.npz").write_bytes(whole)
    assert refused(Npy(path="x.npz"), tmp_path).field == "path"


def promise(shape: tuple[int, ...]) -> bytes:
    """The header of an array that is not there."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def test_a_header_that_promises_too_much_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(promise((10**9, 10**9)))
    with pytest.raises(InvalidData, match="at most 1099511627776"):
        Npy(path="x.npy").outline(tmp_path)


def test_a_compression_bomb_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", promise((1000, 1000)) + bytes(8 * 10**6))
    assert "200-fold" in refused(Npy(path="x.npz"), tmp_path).message


# --- what headers tell ---


def told_early(outline: DataSpec) -> tuple[object, ...]:
    return outline.shape, outline.low, outline.high, outline.levels


@pytest.mark.parametrize(
    "source",
    [
        Npy(path="vectors.npy"),
        Npy(path="vectors.npy", low=-100, high=100),
        Npy(path="images.npz"),
        Npy(path="images.npz", low=0, high=510, levels=511),
        Digits(),
    ],
    ids=str,
)
def test_headers_tell_shape_range_and_levels(tmp_path: Path, source: Finite) -> None:
    np.save(tmp_path / "vectors.npy", VECTORS)
    np.savez(tmp_path / "images.npz", x=IMAGES)
    rows, outline = source.rows(tmp_path), source.outline(tmp_path)
    assert told_early(outline) == told_early(source.spec(rows))
    assert outline.n_rows == len(rows.x)


def test_headers_tell_how_long_a_vector_is_and_of_labels_only_that_they_are_there(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=VECTORS, c=VECTORS[:, :2], y=np.arange(40) % 3)
    vectors = Npy(path="x.npz", condition="vector").outline(tmp_path).condition
    assert isinstance(vectors, Vector)
    assert vectors.width == 2
    assert Npy(path="x.npz", condition="label").outline(tmp_path).condition is None
    assert Digits(condition="label").outline(tmp_path).condition == Labels(n_classes=10)
    assert TwoMoons(condition="label").outline(tmp_path).condition == Labels(n_classes=2)


@pytest.mark.parametrize("beside", [{}, {"c": np.zeros((40, 0))}, {"c": np.zeros(40)}, {"c": np.zeros((39, 2))}])
def test_a_condition_that_is_not_there_is_refused_by_the_header(tmp_path: Path, beside: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "x.npz", x=VECTORS, **beside)
    with pytest.raises(InvalidData, match="`c`"):
        Npy(path="x.npz", condition="vector").outline(tmp_path)
    with pytest.raises(InvalidData, match="no array `y`"):
        Npy(path="x.npz", condition="label").outline(tmp_path)


# --- paths ---


@pytest.mark.parametrize("path", ["../x.npy", "/etc/x.npy", "a/../../x.npy", "a\0.npy", "x" * 1000 + ".npy", "no.npy"])
def test_a_path_that_leads_nowhere_or_out_is_refused(tmp_path: Path, path: str) -> None:
    np.save(tmp_path / "x.npy", VECTORS)
    root = tmp_path / "root"
    root.mkdir()
    assert refused(Npy(path=path), root).field == "path"


def test_a_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", VECTORS)
    root = tmp_path / "root"
    root.mkdir()
    (root / "x.npy").symlink_to(tmp_path / "x.npy")
    (root / "circle.npy").symlink_to(root / "circle.npy")
    assert "out of the data root" in refused(Npy(path="x.npy"), root).message
    assert refused(Npy(path="circle.npy"), root).field == "path"


def test_a_folder_or_a_pipe_is_not_an_array(tmp_path: Path) -> None:
    (tmp_path / "folder.npy").mkdir()
    os.mkfifo(tmp_path / "pipe.npy")
    assert "not a file" in refused(Npy(path="folder.npy"), tmp_path).message
    assert "not a file" in refused(Npy(path="pipe.npy"), tmp_path).message


# --- IDX ---


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("labeled", [False, True])
def test_idx_files_are_images_with_or_without_labels(tmp_path: Path, zipped: bool, labeled: bool) -> None:
    end, pack = (".gz", gzip.compress) if zipped else ("", bytes)
    (tmp_path / f"train-images-idx3-ubyte{end}").write_bytes(pack(idx(IMAGES)))
    if labeled:
        (tmp_path / f"train-labels-idx1-ubyte{end}").write_bytes(pack(idx(np.arange(20, dtype=np.uint8) % 3)))
    source = Idx(path=".")
    source.outline(tmp_path)
    rows = source.rows(tmp_path)
    assert np.array_equal(rows.x[:, 0], IMAGES)
    assert source.spec(rows).n_classes == (3 if labeled else None)
    assert told_early(source.outline(tmp_path)) == told_early(source.spec(rows))
    if not labeled:
        assert refused(Idx(path=".", condition="label"), tmp_path).field == "condition"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x08",
        idx(IMAGES)[:-1],
        idx(IMAGES) + b"\0",
        idx(IMAGES[:9]),
        idx(IMAGES[0]),
        b"\0\0\x0d\x03" + idx(IMAGES)[4:],
        bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 2**31, 2**31),
        bytes([0, 0, 8, 3]) + struct.pack(">3I", 20, 0, 5),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_an_idx_file_that_is_not_what_it_promises_is_refused(tmp_path: Path, content: bytes, zipped: bool) -> None:
    name = "train-images-idx3-ubyte" + (".gz" if zipped else "")
    (tmp_path / name).write_bytes(gzip.compress(content) if zipped else content)
    assert refused(Idx(path="."), tmp_path).field == "path"


def test_a_torn_gzip_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(idx(IMAGES))
    for size in range(0, len(whole), 29):
        (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(whole[:size])
        assert refused(Idx(path="."), tmp_path).field == "path"


def test_as_many_labels_as_images_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(IMAGES))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(19, np.uint8)))
    assert "19 labels" in refused(Idx(path="."), tmp_path).message


def test_a_folder_without_images_says_what_to_put_there(tmp_path: Path) -> None:
    assert "train-images-idx3-ubyte" in refused(Idx(path="."), tmp_path).message


@pytest.mark.parametrize("name", ["two_moons", "eight_gaussians", "grid_gaussians", "checkerboard"])
def test_the_label_of_a_toy_row_is_the_part_it_comes_from(name: str) -> None:
    toy = TypeAdapter(AnyData).validate_python({"source": name, "condition": "label"})
    rows = toy.rows(20_000, np.random.default_rng(0))
    assert toy.conditions(rows) == Labels(n_classes=toy.n_parts)
    assert set(rows.y) == set(range(toy.n_parts))
    assert np.array_equal(rows.x, toy.draw(20_000, np.random.default_rng(0)))
    if isinstance(toy, Mixture):
        nearest = ((rows.x[:, None] - toy.centers) ** 2).sum(-1).argmin(1)
        assert (nearest == rows.y).mean() > 0.99


def test_data_come_with_the_condition_that_is_asked_for(tmp_path: Path) -> None:
    x, y, c = np.random.default_rng(0).random((40, 3)), np.arange(40) % 4, np.random.default_rng(1).random((40, 2))
    np.savez(tmp_path / "told.npz", x=x, y=y, c=c)
    plain, labeled, vectors = (Npy(path="told.npz", condition=kind) for kind in (None, "label", "vector"))
    rows = plain.rows(tmp_path)
    assert plain.conditions(rows) is None
    assert plain.condition_values(rows).shape == (40, 0)
    rows = labeled.rows(tmp_path)
    assert labeled.conditions(rows) == Labels(n_classes=4)
    assert labeled.condition_values(rows)[:, 0].tolist() == y.tolist()
    rows = vectors.rows(tmp_path)
    condition = vectors.conditions(rows)
    assert isinstance(condition, Vector)
    np.testing.assert_allclose(condition.shift, c.mean(0), rtol=1e-5)
    np.testing.assert_allclose(vectors.condition_values(rows), c, rtol=1e-5)


def test_a_condition_that_the_data_do_not_have_is_refused_naming_it(tmp_path: Path) -> None:
    np.savez(tmp_path / "bare.npz", x=np.random.default_rng(0).random((40, 3)))
    for kind, reason in (("label", "no array `y`"), ("vector", "no array `c`")):
        source = Npy(path="bare.npz", condition=kind)
        with pytest.raises(InvalidData, match=reason) as error:
            source.conditions(source.rows(tmp_path))
        assert error.value.field == "condition"


@pytest.mark.parametrize("c", [np.zeros(40), np.zeros((39, 2)), np.full((40, 2), np.inf), np.full((40, 2), "a")])
def test_vectors_that_do_not_fit_their_rows_are_refused(tmp_path: Path, c: np.ndarray) -> None:
    np.savez(tmp_path / "bad.npz", x=np.random.default_rng(0).random((40, 3)), c=c)
    with pytest.raises(InvalidData, match=r"`c` of 'bad\.npz'"):
        Npy(path="bad.npz", condition="vector").rows(tmp_path)
