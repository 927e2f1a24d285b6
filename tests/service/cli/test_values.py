"""`service.cli.values`: files as arrays, or a sentence that says what is wrong with them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from pushforward.service.cli.values import array, condition_of, source_of


@pytest.mark.parametrize(
    ("saved", "read"),
    [(np.float64, np.float64), (np.float32, np.float32), (np.float16, np.float32), (np.int64, np.float64)],
)
def test_a_file_keeps_its_precision(tmp_path: Path, saved: type, read: type) -> None:
    x = np.array([[3, 1], [100, 7]], saved)
    np.save(tmp_path / "x.npy", x)
    found = array(str(tmp_path / "x.npy"))
    assert found.dtype == read
    np.testing.assert_array_equal(found, x)


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        (np.array([[1.0, np.nan]]), "NaN or infinite; drop or fill them: NaN in row 0, column 1"),
        (np.array([[1.0, -np.inf]]), "NaN or infinite; drop or fill them: -infinity in row 0, column 1"),
        (np.array([1.0, np.inf]), "NaN or infinite; drop or fill them: infinity at index 1"),
        (np.array(np.nan), "NaN or infinite; drop or fill them: NaN"),
        (np.array([["1", "2"]]), "holds <U1; save floats or integers"),
        (np.array([[True]]), "holds booleans; save 0 and 1, with astype(numpy.uint8)"),
        (np.array([[1j]]), "holds complex128; save float"),
    ],
    ids=["nan", "infinite", "vector", "number", "text", "booleans", "complex"],
)
def test_a_file_without_finite_numbers_is_refused_before_it_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stored: Any, says: str
) -> None:
    file = tmp_path / "x.npy"
    np.save(file, stored)
    with pytest.raises(typer.Exit):
        array(str(file))
    assert says in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("content", [b"", b"not an array", b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'"])
def test_a_torn_file_is_refused_in_plain_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    file = tmp_path / "x.npy"
    file.write_bytes(content)
    with pytest.raises(typer.Exit):
        array(str(file))
    said = " ".join(capsys.readouterr().err.split())
    assert said.endswith("cannot be read as an array of numbers: it is torn, or was not written by numpy.save")


def test_what_is_neither_an_array_nor_json_says_what_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "odd.csv"
    file.write_text("1,2\n3,4\n")
    with pytest.raises(typer.Exit):
        array(str(file))
    assert "; give rows in an .npy file, or as JSON: [[0.5, 1.0]" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("name", ["nowhere.npy", "nowhere.json"])
def test_a_file_that_there_is_not_is_refused_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    with pytest.raises(typer.Exit):
        array(str(tmp_path / name))
    assert f"there is no file {tmp_path / name}" in capsys.readouterr().err.replace("\n", "")


@pytest.mark.parametrize(
    ("argument", "condition"),
    [
        ("3", 3),
        ("0.1,0.2", [0.1, 0.2]),
        ("[[1], [2]]", [[1], [2]]),
        ("a thick slanted seven", {"text": "a thick slanted seven"}),
        ("seven, thick and slanted", {"text": "seven, thick and slanted"}),
        ('{"text": ["7", "a three"]}', {"text": ["7", "a three"]}),
        ('{"kind": "oak, old", "age": null}', {"kind": "oak, old", "age": None}),
        ('[{"age": 1}, {"age": 2}]', [{"age": 1}, {"age": 2}]),
    ],
)
def test_a_condition_is_a_label_a_vector_a_text_or_a_record(argument: str, condition: object) -> None:
    assert condition_of(argument) == condition


@pytest.mark.parametrize(
    ("argument", "texts"),
    [
        ("7, leaning and bold", "7, leaning and bold"),
        ('"7"', "7"),
        ('["a seven", "8, bold"]', ["a seven", "8, bold"]),
    ],
)
def test_a_text_may_begin_with_a_digit_and_there_may_be_one_for_each_row(argument: str, texts: object) -> None:
    assert condition_of(argument) == {"text": texts}


def test_what_is_none_of_them_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        condition_of("0.1;0.2")
    assert "must be a label (3), a vector (0.1,0.2), a text" in " ".join(capsys.readouterr().err.split())


def test_a_domain_that_is_none_is_refused_by_its_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert condition_of("0,1", "--to") == [0, 1]
    with pytest.raises(typer.Exit):
        condition_of("0.1;0.2", "--to")
    assert "--to '0.1;0.2' must be a label (3)" in " ".join(capsys.readouterr().err.split())


def test_conditions_in_a_file_are_sent_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "c.npy"
    np.save(file, np.array([1 - 1e-12, 2**24 + 1]))
    assert condition_of(str(file)).tolist() == [1 - 1e-12, 2**24 + 1]


def test_what_to_compare_with_is_held_out_or_json_in_the_argument_or_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "source.json"
    file.write_text('{"source": "digits"}')
    assert source_of(None) is None
    assert source_of("held_out") == "held_out"
    assert source_of('{"source": "digits"}') == source_of(str(file)) == {"source": "digits"}


@pytest.mark.parametrize(
    ("text", "says"), [("held-out", "there is no file held-out"), ('{"source": digits}', "--against is not JSON")]
)
def test_what_cannot_be_compared_with_is_refused_with_what_can(
    capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    with pytest.raises(typer.Exit):
        source_of(text)
    said = " ".join(capsys.readouterr().err.split())
    assert says in said
    assert 'give --against held_out, a source of data as JSON ({"source": "npy", "path": "new.npy"}), or a file' in said
