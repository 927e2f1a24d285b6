"""The pictures of a training, as files."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pushforward.service.client import whole_file

NAMES = ("samples", "reconstructions", "density")  # a file is named by what it shows


def saved(events: Iterator[tuple[str, dict[str, Any]]], folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same events; the newest picture of each kind is in the folder, `samples.png`. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, data in events:
        if kind == "picture" and data["what"] in NAMES:
            with whole_file(folder / f"{data['what']}.png") as stream:
                stream.write(b64decode(data["png"]))
        yield kind, data
