"""docs/operations/troubleshooting.md: each heading is a message that the code has."""

import re

import pytest

from tests.e2e.running import ROOT

PAGE = (ROOT / "docs" / "operations" / "troubleshooting.md").read_text()
LAST = "When there is no message"
HEADINGS = [heading for heading in re.findall(r"^## (.*)$", PAGE, re.MULTILINE) if heading != LAST]
SOURCES = [file.read_text() for folder in ("models", "service") for file in (ROOT / folder).rglob("*.py")]


def has(text: str, heading: str) -> bool:
    """Whether a source has the message: its parts in their order, in one line, with anything between."""
    return re.search(".*?".join(map(re.escape, heading.split("..."))), text) is not None


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_heading_is_a_message_of_the_code(heading: str) -> None:
    assert any(has(text, heading) for text in SOURCES)


def test_a_message_that_is_nowhere_would_be_found_out() -> None:
    assert len(HEADINGS) > 10
    assert not any(has(text, "the deadline would have passed ... long ago") for text in SOURCES)
