"""Text of the command line as values: flags of a run, options, conditions, arrays, JSON."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from service.cli.terminal import fail


def flags(arguments: list[str]) -> dict[str, Any]:
    """`--family.latent 8 --data.source=digits` as a tree; values are JSON where they read as JSON, else text."""
    tree: dict[str, Any] = {}
    words = iter(arguments)
    for word in words:
        if not word.startswith("--"):
            fail(f"{word!r} was not expected; flags of a run look like --family.latent 8")
        name, equals, value = word[2:].partition("=")
        if not equals:
            value = next(words, "--")
        if value.startswith("--"):
            fail(f"--{name} needs a value")
        branch = tree
        *path, leaf = name.split(".")
        for step in path:
            branch = branch.setdefault(step, {})
            if not isinstance(branch, dict):
                fail(f"--{name} is within a field that another flag gave a value")
        branch[leaf] = _value(value)
    return tree


def chosen(condition: str | None, option: list[str] | None) -> dict[str, Any]:
    """What an ask may have beside its rows."""
    options = {"options": options_of(option)}
    return options if condition is None else {**options, "condition": condition_of(condition)}


def condition_of(text: str | None) -> Any:
    """3, 0.1,0.2 or JSON as they stand; the rows of an .npy file."""
    if text is None:
        return None
    if text.endswith(".npy"):
        return array(text)
    try:
        return orjson.loads(f"[{text}]" if "," in text and not text.startswith("[") else text)
    except orjson.JSONDecodeError:
        fail(f"--condition {text!r} must be a label (3), a vector (0.1,0.2), JSON, or an .npy file")


def options_of(pairs: list[str] | None) -> dict[str, Any]:
    """KEY=VALUE pairs."""
    options: dict[str, Any] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not equals:
            fail(f"--option {pair!r} must be KEY=VALUE")
        options[key] = _value(value)
    return options


def array(source: str) -> Any:
    """An .npy file of finite numbers, or JSON in a file or on standard input."""
    if not source.endswith(".npy"):
        return read_json(source)
    try:
        stored = np.load(source, allow_pickle=False)
    except (OSError, ValueError) as error:
        fail(f"{source} cannot be read: {error}")
    if stored.dtype.kind == "b":
        fail(f"{source} holds booleans; save 0 and 1, with astype(numpy.uint8)")
    if stored.dtype.kind not in "fiu":
        fail(f"{source} holds {stored.dtype}; save floats or integers")
    if not np.isfinite(stored).all():  # JSON has no word for NaN
        fail(f"{source} holds values that are NaN or infinite; drop or fill them")
    is_single = stored.dtype.kind == "f" and stored.dtype.itemsize <= 4
    return np.ascontiguousarray(stored, dtype=np.float32 if is_single else np.float64)


def read_json(source: str) -> Any:
    """JSON in a file or on standard input."""
    try:
        return orjson.loads(sys.stdin.read() if source == "-" else Path(source).read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        fail(f"{source} cannot be read as JSON: {error}")


def _value(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
