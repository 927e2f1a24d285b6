"""Messages, help texts and pages use the field's words: an operator who reads "network call" thinks of a remote one."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INSTEAD = {
    r"network calls?": "a forward pass",
    r"cannot be had": "is not available",
    r"is none of (this|the) \w+": "does not fit",
    r"(?<!there is )no such thing": "not found",
    r"told what": "given a condition",
    r"\b(is|was|are|were) told (which|to draw|a condition|their|nothing)": "given",
    r"unless told otherwise": "default",
    r"[Aa] walk .{0,40}(condition|seeds|data points)": "an interpolation",
}
WRITTEN = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(ROOT / "docs").glob("*.md"),
    ROOT / "docs" / "openapi.json",
    *(ROOT / "proto").rglob("*.proto"),
]
SOURCES = [file for folder in ("models", "service") for file in (ROOT / folder).rglob("*.py") if "pb" not in file.parts]


@pytest.mark.parametrize("phrase", INSTEAD)
def test_a_phrase_of_our_own_is_nowhere(phrase: str) -> None:
    found = [
        f"{file.relative_to(ROOT)}: {match[0]!r}; write: {INSTEAD[phrase]}"
        for file in (*WRITTEN, *SOURCES)
        for match in re.finditer(phrase, file.read_text())
    ]
    assert found == []
