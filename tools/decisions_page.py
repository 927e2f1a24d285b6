"""docs/decisions.md: every decision by its title."""

from collections.abc import Iterator
from pathlib import Path


def page(folder: Path) -> Iterator[str]:
    """The lines of the page."""
    yield "# Decisions"
    yield ""
    yield "Why things are as they are, and what lost. Generated from their titles by `python -m tools.generated`."
    yield ""
    for file in sorted(folder.glob("*.md")):
        number, _, title = file.read_text().partition("\n")[0].removeprefix("# ").partition(". ")
        yield f"- {number}: [{title}]({folder.name}/{file.name})"
