"""A run with a name."""

from __future__ import annotations

from typing import Any, NamedTuple

from pushforward.models.run import Run


class Preset(NamedTuple):
    """A run with a name."""

    name: str
    summary: str  # one line
    run: Run


def preset(name: str, summary: str, **run: Any) -> Preset:
    """A row of a table of presets."""
    return Preset(name, summary, Run.model_validate(run))
