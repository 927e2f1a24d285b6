"""Labels of pictures, by folders and by `metadata.csv`."""

from pathlib import Path

import numpy as np
import pytest

from pushforward.models.data import Images
from pushforward.models.errors import InvalidData
from tests.models.data.images.pictures import encoded, numbered, random_pixels, zipped

PICTURES = numbered(random_pixels(4, 4, 3))
NAMES = sorted(PICTURES)


def labeled(root: Path, files: dict[str, bytes], *, asked: bool = True) -> tuple[tuple[str, ...], list[int] | None]:
    zipped(root, files)
    source = Images(path="x.zip", size=(4, 4), condition="label" if asked else None)
    source.outline(root)
    rows = source.rows(root)
    return rows.names, None if rows.y is None else rows.y.tolist()


def table(lines: list[str], first: str = "file_name,label") -> bytes:
    return "\n".join([first, *lines]).encode()


def test_classes_are_numbered_by_their_sorted_names(tmp_path: Path) -> None:
    files = {f"{'cab'[i % 3]}/{i:02}.png": content for i, content in enumerate(PICTURES.values())}
    assert labeled(tmp_path, files) == (("a", "b", "c"), [0] * 4 + [1] * 4 + [2] * 4)


def test_names_that_are_whole_numbers_are_sorted_as_numbers(tmp_path: Path) -> None:
    files = {f"{i}/x.png": content for i, content in enumerate(PICTURES.values())}
    names, y = labeled(tmp_path, files)
    assert names == tuple(map(str, range(12)))
    assert y == [0, 1, 10, 11, *range(2, 10)]  # rows are in the order of their names


def test_the_folder_that_holds_a_picture_counts_and_not_those_above(tmp_path: Path) -> None:
    files = {f"{part}/{label}/{i}.png": PICTURES[NAMES[i]] for i in range(5) for part in "xy" for label in "ab"}
    names, y = labeled(tmp_path, files)
    assert (names, y) == (("a", "b"), [0] * 5 + [1] * 5 + [0] * 5 + [1] * 5)


def test_metadata_takes_the_place_of_folders(tmp_path: Path) -> None:
    lines = [f"{name},{'odd' if i % 2 else 'even'}" for i, name in enumerate(NAMES)]
    for folder in ("", "all/"):
        files = {folder + name: content for name, content in PICTURES.items()}
        names, y = labeled(tmp_path, files | {f"{folder}metadata.csv": table(lines[::-1])})
        assert (names, y) == (("even", "odd"), [0, 1] * 6)


def test_metadata_may_have_other_columns_quotes_and_a_mark_at_its_start(tmp_path: Path) -> None:
    lines = [f'"a ""word"", and more",{"ab"[i % 2]},{name}' for i, name in enumerate(NAMES)]
    content = b"\xef\xbb\xbf" + table(lines, "text,label,file_name").replace(b"\n", b"\r\n")
    assert labeled(tmp_path, PICTURES | {"metadata.csv": content})[0] == ("a", "b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (table([f"{name},a" for name in NAMES[1:]]), r"^'000\.png' of 'x\.zip' is not in metadata\.csv; add a line"),
        (table([f"{name},a" for name in [*NAMES, "no.png"]]), "names 'no.png' in line 14, which is not there"),
        (table([f"{name},a" for name in [*NAMES, NAMES[0]]]), "names '000.png' again in line 14"),
        (table([f"{name}," for name in NAMES]), "has a label that is not 1 to 100 printable characters"),
        (table([f"{name},{'a' * 101}" for name in NAMES]), "has a label that is not 1 to 100 printable"),
        (table([f"{name},\x07" for name in NAMES]), "has a label that is not 1 to 100 printable"),
        (table(NAMES, "file_name"), "'metadata.csv' of 'x.zip' has no column label; give file_name,label"),
        (b"", "has no column file_name"),
        (b"\xff\xfe\x00", "is not a table of text in UTF-8"),
        (b'file_name,label\n"' + b"x" * 200_000, "is not a table of text in UTF-8: field larger than field limit"),
    ],
)
def test_metadata_that_does_not_fit_the_pictures_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InvalidData, match=message) as refusal:
        labeled(tmp_path, PICTURES | {"metadata.csv": content})
    assert refusal.value.field == "path"


def test_a_second_metadata_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"'b/metadata\.csv' of 'x\.zip' is a second metadata\.csv"):
        labeled(tmp_path, PICTURES | {"a/metadata.csv": b"", "b/metadata.csv": b""})


def test_labels_that_are_asked_for_must_be_there(tmp_path: Path) -> None:
    in_one_folder = {f"all/{name}": content for name, content in PICTURES.items()}
    loose = {f"{'a/' if i else ''}{name}": PICTURES[name] for i, name in enumerate(NAMES)}
    for files, message in ((in_one_folder, "all pictures lie in one folder"), (loose, "'000.png' of 'x.zip' lies in")):
        assert labeled(tmp_path, files, asked=False) == ((), None)
        with pytest.raises(InvalidData, match=message) as refusal:
            labeled(tmp_path, files)
        assert refusal.value.field == "condition"


def test_names_follow_rows_that_are_picked(tmp_path: Path) -> None:
    zipped(tmp_path, {f"{'ab'[i % 2]}/{i:02}.png": encoded(each) for i, each in enumerate(random_pixels(4, 4))})
    rows = Images(path="x.zip", size=(4, 4)).rows(tmp_path)
    first = rows.of(np.arange(3))
    assert (first.names, first.n_classes, rows.n_classes) == (("a", "b"), 2, 2)
