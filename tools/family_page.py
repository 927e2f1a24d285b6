"""docs/families/NAME.md: a family's picture, when to use it, what its presets reach, its mathematics, its papers."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pushforward.models.families import FAMILIES
from pushforward.models.presets import PRESETS
from tools.families_page import references

GUIDANCE = tomllib.loads(Path(__file__).with_name("family_guidance.toml").read_text())
PRESET = re.compile(r"^\| \[([\w-]+)\]\(pictures/")
HEADING = re.compile(r"^#+ (.*)$")


def page(card: Any, results: str) -> Iterator[str]:
    """The lines of a family's page; `results` is the text of docs/results.md."""
    guidance, cls = GUIDANCE[card.family], FAMILIES[card.family]
    picture, when = guidance["picture"], guidance["when"]
    yield f"# {card.family}"
    yield ""
    yield card.summary
    yield from ("", f"![{PRESETS[picture].summary}](../pictures/{picture}.png)")
    yield from ("", f"*What a model of the preset `{picture}` answers, seed 0, not picked.*")
    yield from ("", "## When to use it", "", when)
    told = " It takes a condition." if card.takes_condition else ""
    yield from ("", f"It answers {', '.join(card.capabilities)}.{told}")
    yield from (
        "",
        f"Its fields, options and presets, and the papers of its parts: [all families](../families.md#{card.family}).",
    )
    yield from ("", "## What its presets reach", "")
    yield "Of [results](../results.md), where it stands how and on which machine they were measured."
    yield from reached(card.family, results)
    yield from ("", "## How it works", "", f"From the docstring of `models/families/{card.family}.py`:")
    yield from ("", "```text", *derivation(cls), "```", "", "## Papers", "")
    yield from (f"- {line}" for line in references(cls))


def derivation(cls: type) -> list[str]:
    """A module's docstring, without its example and its papers."""
    text = re.split(r"^(?:Example|References):$", sys.modules[cls.__module__].__doc__ or "", flags=re.MULTILINE)[0]
    return text.strip().splitlines()


def reached(family: str, results: str) -> Iterator[str]:
    """The rows of a family's presets, under the heading and the head of each table."""
    heading, head, begun = "", list[str](), False
    lines = results.splitlines()
    for at, line in enumerate(lines):
        if match := HEADING.match(line):
            heading, begun = match[1], False
        elif line.startswith("|---"):
            head, begun = [lines[at - 1], line], False
        elif (match := PRESET.match(line)) and PRESETS[match[1]].run.family.family == family:
            if not begun:
                yield from ("", f"**{heading}**", "", *head)
            begun = True
            yield line.replace("(pictures/", "(../pictures/")
