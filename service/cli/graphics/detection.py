"""What a terminal can show, told by its environment, or else by the terminal itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from enum import Enum, auto, unique
from typing import NamedTuple, Self, final

from rich.console import Console

from pushforward.service.cli.graphics.questions import asked

CELL_PX = 8, 16  # where a terminal does not tell


@final
@unique
class Graphics(Enum):
    """Ways to show a picture."""

    KITTY = auto()
    SIXEL = auto()
    BLOCKS = auto()
    CHARACTERS = auto()  # no colors


BY_TERM = {  # beginnings of TERM
    "xterm-kitty": Graphics.KITTY,
    "xterm-ghostty": Graphics.KITTY,
    "foot": Graphics.SIXEL,
    "mlterm": Graphics.SIXEL,
    "tmux": Graphics.BLOCKS,  # what the terminal around it can, it does not tell
    "screen": Graphics.BLOCKS,
    "linux": Graphics.BLOCKS,
}
MULTIPLEXERS = ("TMUX", "STY", "ZELLIJ")  # variables that they set
BY_PROGRAM = {  # TERM_PROGRAM
    "ghostty": Graphics.KITTY,
    "WezTerm": Graphics.KITTY,
    "Apple_Terminal": Graphics.BLOCKS,  # it would print the question
}


class Screen(NamedTuple):
    """A terminal that pictures are shown on."""

    graphics: Graphics
    columns: int
    rows: int
    cell_px: tuple[int, int]  # width, height
    all_colors: bool  # 24 bits for each, else 256 colors

    @classmethod
    def of(cls, console: Console) -> Self | None:
        """The terminal of a console; None where it writes to a pipe or a file."""
        if not console.file.isatty():
            return None
        descriptor, size = console.file.fileno(), console.size
        return cls(
            graphics=_graphics(console, descriptor, os.environ),
            columns=size.width,
            rows=size.height,
            cell_px=_cell_px(descriptor),
            all_colors=console.color_system == "truecolor",
        )


def _graphics(console: Console, descriptor: int, environment: Mapping[str, str]) -> Graphics:
    if console.no_color or console.is_dumb_terminal:
        return Graphics.CHARACTERS
    has_blocks = console.color_system in ("256", "truecolor") and not console.options.ascii_only
    told = _told_by(environment)
    if told is None:
        kitty, sixel = asked(descriptor)
        told = Graphics.KITTY if kitty else Graphics.SIXEL if sixel else Graphics.BLOCKS
    return Graphics.CHARACTERS if told is Graphics.BLOCKS and not has_blocks else told


def _told_by(environment: Mapping[str, str]) -> Graphics | None:
    if any(environment.get(name) for name in MULTIPLEXERS):
        return Graphics.BLOCKS
    term = environment.get("TERM", "")
    by_term = (way for begins, way in BY_TERM.items() if term.startswith(begins))
    return next(by_term, BY_PROGRAM.get(environment.get("TERM_PROGRAM", "")))


def _cell_px(descriptor: int) -> tuple[int, int]:
    """The size of a cell."""
    if sys.platform == "win32":
        return CELL_PX
    import fcntl
    import struct
    import termios

    rows, columns, width, height = struct.unpack("HHHH", fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8)))
    return (width // columns, height // rows) if min(rows, columns, width, height) > 0 else CELL_PX
