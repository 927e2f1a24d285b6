"""From arguments of the command line to values: options, conditions, arrays, JSON."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from pushforward.models.spec.row_checks import where_not_finite
from pushforward.service.cli.terminal import fail

HELD_OUT = "held_out"  # the default of `against`
EXAMPLE = '{"source": "npy", "path": "new.npy"}'
SWEEP_EXAMPLE = '{"fields": {"optimizer.lr": [0.01, 0.001]}}'


def chosen(condition: str | None, option: list[str] | None) -> dict[str, Any]:
    """The options and the condition of a request."""
    options = {"options": options_of(option)}
    return options if condition is None else {**options, "condition": condition_of(condition)}


def condition_of(text: str | None, flag: str = "--condition") -> Any:
    """The condition, or the domain, of an argument: a label, a vector, a text, JSON, or the rows of an .npy file."""
    if text is None:
        return None
    if text.endswith(".npy"):
        return array(text)
    try:
        value = orjson.loads(f"[{text}]" if "," in text and not text.startswith(("[", "{")) else text)
    except orjson.JSONDecodeError:
        if text[:1].isalnum() and any(map(str.isalpha, text)):
            return {"text": text}
        fail(f"{flag} {text!r} must be a label (3), a vector (0.1,0.2), a text, JSON, or an .npy file")
    is_text = isinstance(value, str) or (isinstance(value, list) and value and {*map(type, value)} == {str})
    return {"text": value} if is_text else value


def options_of(pairs: list[str] | None) -> dict[str, Any]:
    """The options of KEY=VALUE arguments."""
    options: dict[str, Any] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not equals:
            fail(f"--option {pair!r} must be KEY=VALUE")
        options[key] = value_of(value, {})
    return options


def array(source: str) -> Any:
    """An .npy file of finite numbers, or JSON in a file or on standard input."""
    if not source.endswith(".npy"):
        return read_json(source, remedy="; give rows in an .npy file, or as JSON: [[0.5, 1.0], [2.0, 0.1]]")
    try:
        stored = np.load(source, allow_pickle=False)
    except OSError as error:
        fail(_unreadable(source, error))
    except (ValueError, EOFError, MemoryError):  # NumPy's message is about pickles
        fail(f"{source} cannot be read as an array of numbers: it is torn, or was not written by numpy.save")
    if stored.dtype.kind == "b":
        fail(f"{source} holds booleans; save 0 and 1, with astype(numpy.uint8)")
    if stored.dtype.kind not in "fiu":
        fail(f"{source} holds {stored.dtype}; save floats or integers")
    if not np.isfinite(stored).all():  # JSON has no NaN
        fail(f"{source} holds values that are NaN or infinite; drop or fill them: {where_not_finite(stored)}")
    is_single = stored.dtype.kind == "f" and stored.dtype.itemsize <= 4
    return np.ascontiguousarray(stored, dtype=np.float32 if is_single else np.float64)


def content_of(source: str) -> bytes:
    """The bytes of a file."""
    try:
        return Path(source).read_bytes()
    except OSError as error:
        fail(_unreadable(source, error))


def read_json(source: str, *, remedy: str = "") -> Any:
    """JSON in a file or on standard input."""
    try:
        return orjson.loads(sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes())
    except OSError as error:
        fail(_unreadable(source, error) + (remedy if isinstance(error, FileNotFoundError) else ""))
    except orjson.JSONDecodeError as error:
        where = "standard input" if source == "-" else source
        fail(f"{where} is not JSON: {error}{remedy}")


def source_of(text: str | None) -> Any:
    """What to compare with: `held_out`, or a source of data as JSON, in the argument, a file or standard input."""
    if text is None or text == HELD_OUT:
        return text
    remedy = f"; give --against {HELD_OUT}, a source of data as JSON ({EXAMPLE}), or a file that holds one"
    return _json_of(text, "--against", remedy)


def sweep_of(text: str | None) -> Any:
    """A search as JSON, in the argument, a file or standard input."""
    remedy = f"; give --sweep JSON ({SWEEP_EXAMPLE}), or a file that holds it"
    return None if text is None else _json_of(text, "--sweep", remedy)


def _json_of(text: str, flag: str, remedy: str) -> Any:
    if not text.lstrip().startswith("{"):
        return read_json(text, remedy=remedy)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        fail(f"{flag} is not JSON: {error}{remedy}")


def value_of(text: str, field: Mapping[str, Any]) -> Any:
    """The value of a field: parsed JSON, else the text itself; `0.5,0.9` where the field is a list."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = text
    types = {kind.get("type") for kind in field.get("anyOf", [field])}
    if "array" in types and not isinstance(value, list | None):
        try:
            return orjson.loads(f"[{text}]")
        except orjson.JSONDecodeError:
            return value
    is_text = types <= {"string", "null"} and "string" in types
    return text if is_text and not isinstance(value, str | None) else value


def _unreadable(source: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no file {source}"
    if isinstance(error, IsADirectoryError):
        return f"{source} is a folder; give a file"
    return f"{source} cannot be read: {error.strerror}"
