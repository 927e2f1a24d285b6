"""The pictures of a training above its bar, on terminals that show pixels."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from time import monotonic
from typing import Any, final

from rich.console import Console

from pushforward.service.cli.graphics.answers import OF_PIXELS, show
from pushforward.service.cli.graphics.detection import Screen

PAUSE_S = 10.0  # between two pictures


@final
class PicturesAbove:
    """Samples as they sharpen, one each `PAUSE_S` at most; half blocks would push the log away."""

    def __init__(self, console: Console) -> None:
        screen = Screen.of(console)
        self._screen = screen if screen is not None and screen.graphics in OF_PIXELS else None
        self._shown_at = -PAUSE_S

    def show(self, picture: Mapping[str, Any], console: Console) -> None:
        """Show an event of a picture, where it is one of samples and its time has come."""
        if self._screen is None or picture["what"] != "samples" or monotonic() - self._shown_at < PAUSE_S:
            return
        self._shown_at = monotonic()
        show(b64decode(picture["png"]), self._screen, console)
