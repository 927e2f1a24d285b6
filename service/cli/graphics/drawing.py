"""A picture on a terminal, in the way that it can show."""

from __future__ import annotations

from math import ceil
from typing import final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import ControlType, Segment

from pushforward.service.cli.graphics import kitty, sixel
from pushforward.service.cli.graphics.blocks import characters, half_blocks
from pushforward.service.cli.graphics.detection import Graphics, Screen
from pushforward.service.cli.graphics.pixels import fitted, opened

PROMPT_ROWS = 2  # left below a picture that is made of pixels


def drawn(png: bytes, screen: Screen) -> str:
    """What to write to the terminal, to the end of a line: the picture, no wider than it."""
    if screen.graphics is Graphics.KITTY:
        return kitty.escapes(png, _scaled(opened(png).size, screen)) + "\n"
    image = opened(png)
    if screen.graphics is Graphics.SIXEL:
        return sixel.escapes(fitted(image, *_room_px(screen))) + "\n"
    if screen.graphics is Graphics.BLOCKS:
        return half_blocks(image, screen.columns, all_colors=screen.all_colors)
    return characters(image, screen.columns)


@final
class TerminalPicture:
    """A picture that a console can print, above a bar too: rich neither measures nor breaks it."""

    def __init__(self, png: bytes, screen: Screen) -> None:
        self._text = drawn(png, screen)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Segment(self._text, None, [(ControlType.CARRIAGE_RETURN,)])


def _room_px(screen: Screen) -> tuple[int, int]:
    width, height = screen.cell_px
    return screen.columns * width, max(1, screen.rows - PROMPT_ROWS) * height


def _scaled(size: tuple[int, int], screen: Screen) -> tuple[int, int] | None:
    """The columns and rows of a picture that is too large as it is; None of one that fits."""
    room = _room_px(screen)
    share = min(room[0] / size[0], room[1] / size[1])
    if share >= 1:
        return None
    columns, rows = (ceil(side * share / cell) for side, cell in zip(size, screen.cell_px, strict=True))
    return min(columns, screen.columns), rows
