"""The other end of a terminal: it answers questions, and turns what a program wrote back into pixels."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from base64 import standard_b64decode
from dataclasses import dataclass, field

import numpy as np

from pushforward.service.cli.graphics.blocks import CUBE_LEVELS

ROOT = __file__.rsplit("/tests/", 1)[0]
QUESTION_ENDS = b"\x1b[c"
KITTY = b"\x1b_Gi=31;OK\x1b\\\x1b[?62;c"
SIXELS = b"\x1b[?63;1;2;4;22c"
NEITHER = b"\x1b[?62;22c"
PLAIN = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
TELLING = ("TMUX", "STY", "ZELLIJ", "TERM_PROGRAM", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", *PLAIN)

# A shell gives a program its terminal; then the program begins.
AS_SHELL = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


@dataclass
class Terminal:
    """A terminal of a program, with what it answers and what a person types."""

    answer: bytes = b""
    columns: int = 80
    rows: int = 24
    cell_px: tuple[int, int] = (8, 16)
    typed_before: bytes = b""  # the program asks anything
    typed_meanwhile: bytes = b""  # before the answer
    environment: dict[str, str] = field(default_factory=lambda: dict(PLAIN))
    was_asked: bool = False

    def run(self, *words: str) -> str:
        """What `python WORDS` writes to the terminal, to its end."""
        ours, theirs = pty.openpty()
        pixels = self.columns * self.cell_px[0], self.rows * self.cell_px[1]
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, *pixels))
        inherited = {name: value for name, value in os.environ.items() if name not in TELLING}
        os.write(ours, self.typed_before)
        command = [sys.executable, "-c", AS_SHELL, sys.executable, *words]
        with subprocess.Popen(
            command,
            env={**inherited, "PYTHONPATH": ROOT, **self.environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        ) as process:
            os.close(theirs)
            shown = self._converse(ours)
        os.close(ours)
        text = shown.decode().replace("\r\n", "\n")
        assert process.returncode == 0, text
        return text

    def _converse(self, ours: int) -> bytes:
        shown = b""
        while chunk := _read(ours):
            shown += chunk
            if not self.was_asked and QUESTION_ENDS in shown:
                self.was_asked = True
                os.write(ours, self.typed_meanwhile + self.answer)
                shown = shown.partition(QUESTION_ENDS)[2]
        return shown


def _read(descriptor: int) -> bytes:
    """Empty at the end, which a terminal reports as an error."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def png_of_kitty(text: str) -> bytes:
    """The PNG within escape sequences of kitty's protocol."""
    pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert pieces
    assert all(len(content) <= 4096 for _, content in pieces)
    assert ["m=0" in keys for keys, _ in pieces] == [False] * (len(pieces) - 1) + [True]
    assert pieces[0][0].startswith("a=T,f=100")
    return standard_b64decode("".join(content for _, content in pieces))


def pixels_of_sixels(text: str) -> np.ndarray:
    """The pixels of a picture of sixels, (height, width, 3) from 0 to 255, of which sixels keep 101 levels."""
    found = re.search(r'\x1bP0;0;0q"1;1;(\d+);(\d+)([^\x1b]*)\x1b\\', text)
    assert found is not None
    width, height = int(found[1]), int(found[2])
    pixels = np.full((height + 6, width, 3), -1.0)
    colors = dict[int, list[float]]()
    color = top = left = 0
    for token in re.findall(r"#\d+;2;\d+;\d+;\d+|#\d+|!\d+[?-~]|[?-~]|\$|-", found[3]):
        match token[0]:
            case "#" if ";" in token:
                number, _, *percents = map(int, token[1:].split(";"))
                colors[number] = [percent * 2.55 for percent in percents]
            case "#":
                color = int(token[1:])
            case "$":
                left = 0
            case "-":
                left, top = 0, top + 6
            case _:
                times = int(token[1:-1]) if token[0] == "!" else 1
                for bit in range(6):
                    if ord(token[-1]) - 63 >> bit & 1:
                        assert left + times <= width
                        pixels[top + bit, left : left + times] = colors[color]
                left += times
    assert len(colors) <= 256
    assert (pixels[height:] == -1).all()
    assert (pixels[:height] >= 0).all()
    return pixels[:height]


def pixels_of_blocks(text: str) -> np.ndarray:
    """The pixels of lines of half blocks, (height, width, 3); -1 where a cell has the terminal's background."""
    rows = list[list[list[int]]]()
    for line in text.splitlines():
        above, below = [-1, -1, -1], [-1, -1, -1]
        upper, lower = list[list[int]](), list[list[int]]()
        for where, code, reset, block in re.findall(r"\x1b\[([34]8);([25];[\d;]+)m|(\x1b\[0m)|(▀)", line):
            if where == "38":
                above = _color(code)
            elif where == "48":
                below = _color(code)
            elif block:
                upper.append(above)
                lower.append(below)
            else:
                assert reset
        rows += [upper, lower]
    return np.array(rows)


def _color(code: str) -> list[int]:
    kind, *numbers = map(int, code.split(";"))
    if kind == 2:
        return numbers
    place = numbers[0] - 16
    if place >= 216:
        return [8 + 10 * (place - 216)] * 3
    return [CUBE_LEVELS[place // 36], CUBE_LEVELS[place // 6 % 6], CUBE_LEVELS[place % 6]]
