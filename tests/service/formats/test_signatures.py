"""`service.formats.signatures`: a file begins as its media type says, or is refused with the remedy."""

from __future__ import annotations

import gzip
from io import BytesIO
from zipfile import ZipFile

import numpy as np
import pytest

from pushforward.service.domain.errors import UnsupportedMedia
from pushforward.service.formats.signatures import MEDIA_TYPES, check_head, known_media_type


def saved(save: object, **arrays: np.ndarray) -> bytes:
    stream = BytesIO()
    save(stream, **arrays)  # type: ignore[operator]
    return stream.getvalue()


def zipped() -> bytes:
    stream = BytesIO()
    with ZipFile(stream, "w") as archive:
        archive.writestr("a/1.png", b"x")
    return stream.getvalue()


FILES = {
    "text/csv": b"name,mass\nAda,3\n",
    "application/vnd.apache.parquet": b"PAR1\x15\x00\x15",
    "application/vnd.apache.arrow.file": b"ARROW1\0\0\xff\xff\xff\xff",
    "application/vnd.apache.arrow.stream": b"\xff\xff\xff\xff\x10\0\0\0",
    "application/x-npy": saved(np.save, arr=np.zeros(3)),
    "application/x-npz": saved(np.savez, x=np.zeros(3)),
    "application/zip": zipped(),
    "application/x-idx": bytes([0, 0, 8, 3, 0, 0, 0, 1]),
}
SAME = {"application/x-npz", "application/zip"}


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_a_file_is_what_it_says(media_type: str) -> None:
    check_head(known_media_type(media_type), FILES[media_type], is_whole=True)


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize("of", FILES)
def test_another_file_is_refused(media_type: str, of: str) -> None:
    if media_type == of or {media_type, of} == SAME:
        return
    with pytest.raises(UnsupportedMedia) as refused:
        check_head(media_type, FILES[of], is_whole=True)
    told = str(refused.value)
    assert "save it as UTF-8" in told or "send it as" in told
    assert of == "text/csv" or media_type == "text/csv" or of in told


def test_other_media_types_are_refused_with_those_that_are_known() -> None:
    with pytest.raises(UnsupportedMedia, match="is image/png; send one of text/csv, "):
        known_media_type("image/png")
    with pytest.raises(UnsupportedMedia, match="missing"):
        known_media_type("")


def test_bytes_without_a_type_are_idx() -> None:
    assert known_media_type("application/octet-stream") == "application/x-idx"


def test_a_letter_that_is_cut_at_the_end_of_the_head_is_text() -> None:
    head = "größe".encode()[:3]
    check_head("text/csv", head, is_whole=False)
    with pytest.raises(UnsupportedMedia, match="not UTF-8 at byte 2"):
        check_head("text/csv", head, is_whole=True)


@pytest.mark.parametrize("text", ["größe\n".encode("latin-1"), "a,b\n".encode("utf-16"), b"a\0b\n"])
def test_text_in_another_encoding_is_refused(text: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        check_head("text/csv", text, is_whole=True)


def test_a_compressed_file_is_to_be_sent_inflated() -> None:
    with pytest.raises(UnsupportedMedia, match="compressed by gzip: send it inflated"):
        check_head("application/x-idx", gzip.compress(FILES["application/x-idx"]), is_whole=True)
