"""Pictures come back as they were written, as rows with labels, and what is known of them early is what they are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pushforward.models.data import Images
from pushforward.models.data.images import images
from pushforward.models.errors import InvalidData
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from tests.models.data.images.pictures import encoded, numbered, random_pixels, unzipped, zipped

MODES = {"L": (), "RGB": (3,), "RGBA": (4,)}


def channels_first(pixels: np.ndarray) -> np.ndarray:
    return pixels[:, None] if pixels.ndim == 3 else np.moveaxis(pixels, -1, 1)


@settings(max_examples=25, deadline=None)
@given(
    mode=st.sampled_from(sorted(MODES)),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
    crop=st.sampled_from(["center", "none"]),
)
def test_what_goes_in_as_png_comes_back_as_the_same_array(
    tmp_path_factory: pytest.TempPathFactory, mode: Any, height: int, width: int, seed: int, crop: Any
) -> None:
    root = tmp_path_factory.mktemp("pictures")
    pixels = random_pixels(height, width, *MODES[mode], seed=seed)
    zipped(root, numbered(pixels))
    rows = Images(path="x.zip", size=(height, width), mode=mode, crop=crop).rows(root)
    assert rows.x.dtype == np.uint8
    np.testing.assert_array_equal(rows.x, channels_first(pixels))


def test_gray_pictures_of_16_bits_come_back_as_the_same_continuous_numbers(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (12, 9, 13), dtype=np.uint16)
    zipped(tmp_path, numbered(pixels))
    source = Images(path="x.zip", size=(9, 13), mode="L")
    rows = source.rows(tmp_path)
    np.testing.assert_array_equal(rows.x, pixels[:, None])
    expected = DataSpec(shape=(1, 9, 13), low=0, high=65535, shift=(32767.5,), scale=(32767.5,))
    assert source.spec(rows) == expected
    assert source.outline(tmp_path) == expected.model_copy(update={"n_rows": 12})
    (note,) = source.notes(tmp_path)
    assert note.startswith("The pictures have 16 bits")
    with pytest.raises(InvalidData, match=r"is RGB, but '000\.png' of 'x\.zip' is gray with 16 bits") as refusal:
        Images(path="x.zip", size=(9, 13)).outline(tmp_path)
    assert refusal.value.field == "mode"


@pytest.mark.parametrize("write", [zipped, unzipped])
@pytest.mark.parametrize("condition", ["label", None])
def test_the_folder_of_a_picture_is_its_label(tmp_path: Path, write: Any, condition: Any) -> None:
    pixels = random_pixels(8, 8, 3)
    files = {f"flowers/{'tulip' if i % 3 else 'rose'}/{i:02}.png": encoded(each) for i, each in enumerate(pixels)}
    path = write(tmp_path, files).name
    source = Images(path=path, size=8, condition=condition)  # type: ignore[arg-type]  # 8 is (8, 8)
    rows, outline = source.rows(tmp_path), source.outline(tmp_path)
    order = [i for i in range(12) if i % 3 == 0] + [i for i in range(12) if i % 3]
    np.testing.assert_array_equal(rows.x, channels_first(pixels[order]))
    assert rows.y is not None
    assert (rows.y.tolist(), rows.names) == ([0] * 4 + [1] * 8, ("rose", "tulip"))
    told = Labels(n_classes=2, names=("rose", "tulip")) if condition else None
    assert outline.condition == source.conditions(rows) == told
    assert outline == source.spec(rows).model_copy(update={"condition": told, "n_rows": 12})
    assert (source.n_labels(tmp_path), outline.shape, outline.levels) == (2, (3, 8, 8), 256)
    assert source.notes(tmp_path) == ("Labels: 0 is 'rose', 1 is 'tulip'.",)


def test_a_zip_and_the_folder_it_is_of_are_the_same_rows(tmp_path: Path) -> None:
    files = numbered(random_pixels(8, 8, 3), "b/") | numbered(random_pixels(8, 8, 3, seed=1), "a/")
    zipped(tmp_path, dict(reversed(files.items())))
    unzipped(tmp_path, files)
    in_zip, in_folder = (Images(path=path, size=(8, 8)).rows(tmp_path) for path in ("x.zip", "x"))
    assert in_zip.fingerprint == in_folder.fingerprint


def test_what_systems_leave_behind_is_passed_over(tmp_path: Path) -> None:
    junk = dict.fromkeys(("__MACOSX/a/._000.png", "a/.DS_Store", "Thumbs.db", ".git/x.png", "b/"), b"")
    zipped(tmp_path, numbered(random_pixels(8, 8, 3), "a/") | junk)
    assert Images(path="x.zip", size=(8, 8)).outline(tmp_path).n_rows == 12


def test_names_of_a_zip_that_windows_made_are_understood(tmp_path: Path) -> None:
    pixels = random_pixels(8, 8, 3)
    zipped(tmp_path, {f"{'ab'[i % 2]}\\{i}.png": encoded(each) for i, each in enumerate(pixels)})
    assert Images(path="x.zip", size=(8, 8)).rows(tmp_path).names == ("a", "b")


def test_a_path_from_the_folder_itself_is_understood(tmp_path: Path) -> None:
    zipped(tmp_path, {f"./{'ab'[i % 2]}/{i}.png": encoded(each) for i, each in enumerate(random_pixels(8, 8, 3))})
    assert Images(path="x.zip", size=(8, 8)).rows(tmp_path).names == ("a", "b")


def test_a_number_is_the_side_of_a_square() -> None:
    for size in (28, [28], [28, 28]):
        assert Images.model_validate({"path": "x", "size": size}).size == (28, 28)
    for wrong in (0, 1025, [], [1, 2, 3], 2.5, None, True):
        with pytest.raises(ValidationError):
            Images.model_validate({"path": "x", "size": wrong})


def test_an_outline_decodes_nothing(tmp_path: Path) -> None:
    zipped(tmp_path, {f"{i}.png": b"no picture" for i in range(10)})
    assert Images(path="x.zip", size=(8, 8)).outline(tmp_path).n_rows == 10


def test_pictures_that_would_make_too_many_bytes_are_refused_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 10 * 3 * 1024**2)
    zipped(tmp_path, {f"{i:04}.png": b"" for i in range(11)})
    with pytest.raises(InvalidData, match="smaller pictures or fewer") as refusal:
        Images(path="x.zip", size=(1024, 1024)).outline(tmp_path)
    assert refusal.value.field == "size"
