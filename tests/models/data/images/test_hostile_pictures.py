"""Archives and pictures that were made to hurt: refused by the name of the entry, for little memory."""

import os
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushforward.models.data import Images
from pushforward.models.data.images import entries, zips
from pushforward.models.errors import InvalidData
from tests.models.data.images.pictures import encoded, numbered, random_pixels, unzipped, zipped

PICTURES = numbered(random_pixels(6, 6, 3))
MOST_BYTES = 2**26  # of Python and numpy; of which the directory's bytes are 12 MiB
MUTANTS = 120
BAD = "bad/x.png"


def source(path: str = "x.zip", **fields: Any) -> Images:
    return Images(path=path, size=(6, 6), **fields)


def refusal(root: Path, path: str = "x.zip", *, early: bool = True) -> str:
    """The message of a refusal: by the headers alone, or of the rows."""
    if not early:
        source(path).outline(root)
    with pytest.raises(InvalidData) as refused:
        source(path).outline(root) if early else source(path).rows(root)
    assert refused.value.field == "path"
    assert str(root) not in refused.value.message
    return refused.value.message


def with_entry(root: Path, change: Callable[[zipfile.ZipInfo], None], content: bytes = PICTURES["000.png"]) -> None:
    """A zip of pictures with one more, whose entry is changed."""
    with zipfile.ZipFile(zipped(root, PICTURES), "a") as archive:
        info = zipfile.ZipInfo(BAD)
        change(info)
        archive.writestr(info, content)


def as_link(info: zipfile.ZipInfo) -> None:
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "..\\x.png", "C:\\x.png", "a/.."])
def test_names_that_lead_out_of_a_zip_are_refused(tmp_path: Path, name: str) -> None:
    zipped(tmp_path, PICTURES | {name: PICTURES["000.png"]})
    shown = name.replace("\\", "/")
    assert refusal(tmp_path).startswith(f"'{shown}' of 'x.zip' leads out of the archive; ")


@pytest.mark.parametrize("name", ["x.png", "a/x.png", ".hidden"])
def test_symbolic_links_in_a_zip_are_refused(tmp_path: Path, name: str) -> None:
    def link(info: zipfile.ZipInfo) -> None:
        info.filename = name
        as_link(info)

    with_entry(tmp_path, link, b"/etc/passwd")
    assert refusal(tmp_path).startswith(f"'{name}' of 'x.zip' is a symbolic link; ")


def test_symbolic_links_in_a_folder_are_refused(tmp_path: Path) -> None:
    folder = unzipped(tmp_path, PICTURES)
    for name, target in (("x.png", "000.png"), ("a", "/etc"), ("circle.png", "circle.png")):
        (folder / name).symlink_to(target)
        assert refusal(tmp_path, "x") == f"'{name}' of 'x' is a symbolic link; put the picture itself there"
        (folder / name).unlink()
    assert source("x").outline(tmp_path).n_rows == 12


def test_a_pipe_in_a_folder_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(unzipped(tmp_path, PICTURES) / "x.png")
    assert refusal(tmp_path, "x").startswith("'x.png' of 'x' is neither a file nor a folder")


def test_what_is_neither_a_zip_nor_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(PICTURES["000.png"])
    assert refusal(tmp_path).startswith("'x.zip' cannot be read: File is not a zip file; ")


def test_an_entry_that_inflates_too_far_is_refused(tmp_path: Path) -> None:
    def deflated(info: zipfile.ZipInfo) -> None:
        info.compress_type = zipfile.ZIP_DEFLATED

    with_entry(tmp_path, deflated, bytes(2**20))
    assert refusal(tmp_path).startswith(f"'{BAD}' of 'x.zip' is compressed more than 100-fold; ")


def test_an_entry_that_is_not_deflated_or_not_readable_is_refused(tmp_path: Path) -> None:
    def bzipped(info: zipfile.ZipInfo) -> None:
        info.compress_type = zipfile.ZIP_BZIP2

    with_entry(tmp_path, bzipped)
    assert "is compressed, and not by deflate" in refusal(tmp_path)
    with_entry(tmp_path, lambda info: None)
    content = bytearray((tmp_path / "x.zip").read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 8] |= 1  # encrypted
    (tmp_path / "x.zip").write_bytes(content)
    assert refusal(tmp_path).startswith(f"'{BAD}' of 'x.zip' is encrypted; ")


def test_an_entry_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(zipped(tmp_path, PICTURES), "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("003.png", b"")
    assert refusal(tmp_path).startswith("'003.png' of 'x.zip' is there twice; ")


def test_files_that_are_no_pictures_are_refused_by_their_names_and_by_their_content(tmp_path: Path) -> None:
    zipped(tmp_path, PICTURES | {"a/README.txt": b"hello"})
    assert refusal(tmp_path).startswith("'a/README.txt' of 'x.zip' does not end in .png, .jpg, .jpeg, .webp; ")
    zipped(tmp_path, PICTURES | {"a/README.png": b"hello"})
    assert refusal(tmp_path, early=False).startswith("'a/README.png' of 'x.zip' is not a picture in PNG, JPEG or WebP")


def test_fewer_than_ten_pictures_are_refused(tmp_path: Path) -> None:
    zipped(tmp_path, dict(list(PICTURES.items())[:9]))
    assert refusal(tmp_path) == "'x.zip' holds 9 pictures; give at least 10"


def test_too_many_entries_are_refused_in_a_zip_and_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MAX_ENTRIES", 12)
    zipped(tmp_path, PICTURES)
    unzipped(tmp_path, PICTURES)
    for path in ("x.zip", "x"):
        assert source(path).outline(tmp_path).n_rows == 12
    zipped(tmp_path, PICTURES | {".hidden": b""})
    (tmp_path / "x" / "folder").mkdir()
    for path in ("x.zip", "x"):
        assert refusal(tmp_path, path) == f"'{path}' has more than 12 entries; give fewer pictures"


def test_too_many_bytes_are_refused_in_all_and_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MAX_INFLATED_BYTES", 4 * 2**30)
    folder = unzipped(tmp_path, PICTURES)
    (folder / "x.png").touch()
    os.truncate(folder / "x.png", entries.MAX_FILE_BYTES + 1)  # a hole: it takes no room on the disk
    assert refusal(tmp_path, "x").startswith("'x.png' of 'x' has 134,217,729 bytes; give pictures of at most ")
    (folder / "x.png").unlink()
    for i in range(33):
        (folder / f"x{i}.png").touch()
        os.truncate(folder / f"x{i}.png", entries.MAX_FILE_BYTES)
    assert "bytes of files; give at most 4,294,967,296, smaller pictures or fewer" in refusal(tmp_path, "x")


def many_entries(root: Path) -> str:
    zipped(root, {f"{i}.png": b"" for i in range(entries.MAX_ENTRIES + 1)})
    return "has more than 10,000 entries"


def endless_directory(root: Path) -> str:
    with zipfile.ZipFile(root / "x.zip", "w") as archive:
        for i in range(zips.MAX_DIRECTORY_BYTES // 60_000 + 1):
            archive.writestr(f"{i:05}{'n' * 60_000}.png", b"")
    return "has more of a directory than is ever read; give fewer pictures"


@pytest.mark.parametrize("make", [many_entries, endless_directory])
def test_a_directory_is_refused_in_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], str]
) -> None:
    monkeypatch.setattr(entries, "MAX_ENTRIES", 10_000)
    expected = make(tmp_path)
    tracemalloc.start()
    try:
        assert expected in refusal(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


def test_a_bomb_of_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    blank = encoded(np.zeros((4097, 4097), np.uint8))
    zipped(tmp_path, PICTURES | {BAD: blank})
    tracemalloc.start()
    try:
        assert refusal(tmp_path, early=False).startswith(f"'{BAD}' of 'x.zip' is 4097x4097 pixels; ")
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


def test_an_entry_that_was_altered_is_refused_by_its_checksum(tmp_path: Path) -> None:
    content = bytearray(zipped(tmp_path, PICTURES).read_bytes())
    at = content.rindex(b"IDAT") + 8
    content[at] ^= 1
    (tmp_path / "x.zip").write_bytes(content)
    assert (
        refusal(tmp_path, early=False)
        == "'011.png' of 'x.zip' cannot be read: Bad CRC-32 for file '011.png'; save it again"
    )


@pytest.mark.parametrize("deflated", [False, True])
def test_a_mutated_zip_is_read_or_refused_and_nothing_else(tmp_path: Path, deflated: bool) -> None:
    rng = np.random.default_rng(int(deflated))
    files = numbered(random_pixels(3, 3, n=10), "a/")
    files["metadata.csv"] = b"\n".join([b"file_name,label", *(f"{name},{name[-5]}".encode() for name in files)])
    zipped(tmp_path, files)
    if deflated:
        with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    content = (tmp_path / "x.zip").read_bytes()
    assert message_of(source(mode="L"), tmp_path) is None
    for _ in range(MUTANTS):
        (tmp_path / "x.zip").write_bytes(mutated(content, rng))
        message = message_of(source(mode="L"), tmp_path)
        assert message is None or "'x.zip'" in message or "'metadata.csv'" in message


@pytest.mark.parametrize(("form", "options"), [("PNG", {}), ("JPEG", {}), ("WEBP", {}), ("WEBP", {"lossless": True})])
def test_a_mutated_picture_is_read_or_refused_by_its_name(tmp_path: Path, form: str, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(len(form))
    exif = encoded_exif()
    content = encoded(random_pixels(6, 6, 3, n=1)[0], form, exif=exif, **options)
    folder = unzipped(tmp_path, PICTURES)
    for _ in range(MUTANTS):
        (folder / "bad.png").write_bytes(mutated(content, rng))
        message = message_of(source("x"), tmp_path)
        assert message is None or message.startswith("'bad.png' of 'x' "), message


def encoded_exif() -> bytes:
    return b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)


def message_of(images: Images, root: Path) -> str | None:
    """The refusal of all that a source holds; None where it is read. Any other exception fails the test."""
    try:
        images.outline(root)
        images.rows(root)
    except InvalidData as refused:
        return refused.message
    return None


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes flipped, a piece cut out, repeated or replaced."""
    pieces = (b"", b"\xff" * 4, b"\0" * 8, b"PK\x01\x02", b"IDAT", content[: len(content) // 2])
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, len(changed) + 1))
        if rng.random() < 0.6 and at < len(changed):
            changed[at] ^= 1 << int(rng.integers(8))
        else:
            changed[at : at + int(rng.integers(0, 12))] = pieces[rng.integers(len(pieces))]
    return bytes(changed)
