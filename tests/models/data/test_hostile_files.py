"""Files in the data root that were made to hurt: they are refused for the price of some kilobytes and milliseconds."""

import errno
import gzip
import os
import struct
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from pushforward.models.data import Finite, Idx, Npy, TableFile
from pushforward.models.data.containers import MAX_HEADER_BYTES
from pushforward.models.data.files import opened, reading
from pushforward.models.errors import Hindered, InvalidData

CORPUS = Path(__file__).parent / "corpus"  # seeds of the fuzzer, and what it once found
MOST_BYTES = 2**24  # of Python and numpy, for a file of any size
MUTANTS = 150
IMAGES = bytes([0, 0, 8, 3]) + struct.pack(">3I", 20, 4, 4)


def sparse_header(folder: Path) -> Finite:
    with (folder / "x.npy").open("wb") as file:
        file.write(b"\x93NUMPY\x02\x00" + struct.pack("<I", 3 * 2**30))
        file.truncate(3 * 2**30 + 12)
    return Npy(path="x.npy")


def many_members(folder: Path) -> Finite:
    with zipfile.ZipFile(folder / "x.npz", "w") as archive:
        for i in range(20_000):
            archive.writestr(f"{i}.npy", b"")
    return Npy(path="x.npz")


def inflating_header(folder: Path) -> Finite:
    with zipfile.ZipFile(folder / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**27) + bytes(2**27) + os.urandom(2**20))
    return Npy(path="x.npz")


def inflating_bzip2(folder: Path) -> Finite:
    with zipfile.ZipFile(folder / "x.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x.npy", bytes(2**27))
    return Npy(path="x.npz")


def endless_name(folder: Path) -> Finite:
    with (folder / "train-images-idx3-ubyte.gz").open("wb") as file:
        file.write(bytes([31, 139, 8, 8, 0, 0, 0, 0, 0, 255]) + b"n" * 2**23)
    return Idx(path=".")


def empty_gzip_members(folder: Path) -> Finite:
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"") * 2**17)
    return Idx(path=".")


def inflating_idx(folder: Path) -> Finite:
    with gzip.open(folder / "train-images-idx3-ubyte.gz", "wb") as file:
        file.write(IMAGES)
        for _ in range(64):
            file.write(bytes(2**22))
    return Idx(path=".")


def nested_header(folder: Path) -> Finite:
    text = b"{'descr':" + b"(" * 9000 + b"}"
    (folder / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text)
    return Npy(path="x.npy")


HOSTILE = [
    sparse_header,
    many_members,
    inflating_header,
    inflating_bzip2,
    endless_name,
    empty_gzip_members,
    inflating_idx,
    nested_header,
]


def outline_and_rows(source: Finite, root: Path) -> None:
    source.outline(root)
    source.spec(source.rows(root))


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_a_hostile_file_is_refused_in_little_memory(tmp_path: Path, make: Callable[[Path], Finite]) -> None:
    source = make(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidData) as refusal:
            outline_and_rows(source, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()
    assert refusal.value.field == "path"
    assert str(tmp_path) not in refusal.value.message


def test_the_border_of_a_header_is_exact(tmp_path: Path) -> None:
    for n, is_read in ((MAX_HEADER_BYTES, True), (MAX_HEADER_BYTES + 1, False)):
        text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (10, 2), }".ljust(n - 1) + b"\n"
        (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x02\x00" + struct.pack("<I", n) + text + bytes(80))
        if is_read:
            assert Npy(path="x.npy").outline(tmp_path).shape == (2,)
        else:
            with pytest.raises(InvalidData, match=f"header of {n} bytes"):
                Npy(path="x.npy").outline(tmp_path)


def test_columns_first_and_every_version_of_npy_are_read_as_numpy_does(tmp_path: Path) -> None:
    x = np.arange(36, dtype=">f8").reshape(12, 3)
    for version in ((1, 0), (2, 0), (3, 0)):
        with (tmp_path / "x.npy").open("wb") as file:
            np.lib.format.write_array(file, np.asfortranarray(x), version=version)
        assert (Npy(path="x.npy").rows(tmp_path).x == x).all()


@pytest.mark.parametrize("name", ["pipe.npy", "device.npy", "circle.npy", "folder.npy"])
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe.npy")
    (tmp_path / "circle.npy").symlink_to(tmp_path / "circle.npy")
    (tmp_path / "folder.npy").mkdir()
    if name == "device.npy":
        with pytest.raises(InvalidData), opened(Path("/dev/zero")):
            pass
        return
    with pytest.raises(InvalidData) as refusal:
        Npy(path=name).outline(tmp_path)
    assert str(tmp_path) not in refusal.value.message


def test_a_data_root_that_is_not_there_is_no_fault_of_the_run(tmp_path: Path) -> None:
    for source in (Npy(path="x.npy"), Idx(path=".")):
        with pytest.raises(Hindered, match="data root is not there"):
            source.outline(tmp_path / "unmounted")


def test_a_disk_that_fails_is_no_fault_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(Hindered, match=r"'x\.npy' cannot be read: the disk fails"), reading(tmp_path / "x.npy"):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(tmp_path))


@pytest.mark.parametrize("seed_file", sorted(CORPUS.iterdir()), ids=lambda file: file.name)
def test_a_mutated_file_is_read_or_refused_and_nothing_else(tmp_path: Path, seed_file: Path) -> None:
    rng = np.random.default_rng(len(seed_file.name))
    content = seed_file.read_bytes()
    name = "train-images-idx3-ubyte.gz" if seed_file.suffix == ".gz" else f"x{seed_file.suffix}"
    source = source_of(seed_file.suffix, name)
    for _ in range(MUTANTS):
        (tmp_path / name).write_bytes(mutated(content, rng))
        with suppress(InvalidData), warnings.catch_warnings():
            outline_and_rows(source, tmp_path)


def source_of(suffix: str, name: str) -> Finite:
    match suffix:
        case ".gz":
            return Idx(path=".")
        case ".npy" | ".npz":
            return Npy(path=name)
    return TableFile(path=name)


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes flipped, a piece cut out, repeated or replaced by what parsers stumble over."""
    pieces = (b"", b"(" * 50, b"9" * 19, b"\xff" * 4, b"-", b"True", b"0" * 7, content[: len(content) // 2])
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, len(changed) + 1))
        if rng.random() < 0.5 and at < len(changed):
            changed[at] ^= 1 << int(rng.integers(8))
        else:
            changed[at : at + int(rng.integers(0, 12))] = pieces[rng.integers(len(pieces))]
    return bytes(changed)
