"""`cli.graphics.drawing`: a PNG comes out of a terminal as the pixels that it had."""

import re
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from pushforward.service.cli.graphics.detection import Graphics, Screen
from pushforward.service.cli.graphics.drawing import TerminalPicture, drawn
from tests.service.cli.graphics.terminals import (
    KITTY,
    SIXELS,
    Terminal,
    pixels_of_blocks,
    pixels_of_sixels,
    png_of_kitty,
)

PROGRAM = """
import sys
from pathlib import Path
from rich.console import Console
from pushforward.service.cli.graphics.detection import Screen
from pushforward.service.cli.graphics.drawing import TerminalPicture
console = Console()
console.print(TerminalPicture(Path(sys.argv[1]).read_bytes(), Screen.of(console)), end="")
print("done")
"""


def picture(height: int, width: int) -> np.ndarray:
    colors = np.random.default_rng(1).integers(0, 256, (50, 3), np.uint8)
    return colors[np.random.default_rng(0).integers(0, 50, (height, width))]


def png(pixels: np.ndarray) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["kitty", "sixel", "blocks"])
def test_a_picture_that_fits_is_shown_pixel_by_pixel(kind: str, tmp_path: Path) -> None:
    pixels = picture(62, 79)
    (tmp_path / "a.png").write_bytes(png(pixels))
    answer = {"kitty": KITTY, "sixel": SIXELS, "blocks": b""}[kind]
    text = Terminal(answer).run("-c", PROGRAM, str(tmp_path / "a.png"))
    assert text.endswith("\ndone\n")
    if kind == "kitty":
        assert png_of_kitty(text) == png(pixels)
    elif kind == "sixel":
        assert np.abs(pixels_of_sixels(text) - pixels).max() <= 1.5
    else:
        assert np.array_equal(pixels_of_blocks(text.removesuffix("done\n")), pixels)


@pytest.mark.parametrize("columns", [80, 40])
def test_a_large_picture_is_made_as_small_as_the_terminal(columns: int) -> None:
    large = png(picture(900, 1200))
    of_kind = {kind: drawn(large, Screen(kind, columns, 24, (8, 16), all_colors=True)) for kind in Graphics}
    assert png_of_kitty(of_kind[Graphics.KITTY]) == large  # the terminal scales
    found = re.search(r",c=(\d+),r=(\d+),", of_kind[Graphics.KITTY])
    assert found is not None
    wide, high = map(int, found.groups())
    assert (wide, high) == {80: (59, 22), 40: (40, 15)}[columns]
    height, width, _ = pixels_of_sixels(of_kind[Graphics.SIXEL]).shape
    assert (width, height) == {80: (469, 352), 40: (320, 240)}[columns]
    assert pixels_of_blocks(of_kind[Graphics.BLOCKS]).shape[1] == columns
    assert {len(line) for line in of_kind[Graphics.CHARACTERS].splitlines()} == {columns}


def test_a_picture_without_colors_has_no_escapes() -> None:
    assert "\x1b" not in drawn(png(picture(20, 20)), Screen(Graphics.CHARACTERS, 80, 24, (8, 16), all_colors=False))


def test_a_console_that_is_no_terminal_leaves_a_picture_out() -> None:
    screen = Screen(Graphics.KITTY, 80, 24, (8, 16), all_colors=True)
    console = Console(file=StringIO())
    console.print(TerminalPicture(png(picture(4, 4)), screen), end="")
    assert isinstance(console.file, StringIO)
    assert console.file.getvalue() == ""
