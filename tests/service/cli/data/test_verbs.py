"""`service.cli.data`: formats by the names of files, sizes in words."""

from pathlib import Path

import pytest
import typer

from pushforward.service.cli.data.file_types import MEDIA_TYPES, media_type_of
from pushforward.service.cli.data.verbs import size_in_words
from pushforward.service.formats.signatures import MEDIA_TYPES as KNOWN


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.csv", "text/csv"),
        ("A.CSV", "text/csv"),
        ("a.b.npz", "application/x-npz"),
        ("train-images-idx3-ubyte", "application/x-idx"),
    ],
)
def test_a_name_tells_the_format(name: str, media_type: str) -> None:
    assert media_type_of(Path(name)) == media_type


def test_every_format_has_a_name() -> None:
    assert {*MEDIA_TYPES.values()} == {*KNOWN}


def test_other_names_tell_none() -> None:
    with pytest.raises(typer.Exit):
        media_type_of(Path("a.txt"))


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (2**30, "1 GiB"), (3 * 2**41, "6144 GiB")],
)
def test_a_size_is_told_in_its_unit(n_bytes: int, words: str) -> None:
    assert size_in_words(n_bytes) == words
