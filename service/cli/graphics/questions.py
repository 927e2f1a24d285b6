"""A question to the terminal itself: does it show kitty's graphics, or sixels?

Kitty's documentation has a program ask for a picture of one pixel, and then for the device attributes, DA1, which
nearly every terminal tells: where the second answer comes alone, there are no such graphics. Attribute 4 is sixels.

https://sw.kovidgoyal.net/kitty/graphics-protocol/#querying-support-and-available-transmission-mediums
https://vt100.net/docs/vt510-rm/DA1.html

What a person types belongs to the next program. Where there is input already, nothing is asked; what comes between
question and answers is put back, where the kernel permits it (TIOCSTI; Linux may refuse: dev.tty.legacy_tiocsti).
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
from collections.abc import Iterator
from time import monotonic
from typing import NamedTuple

QUESTION = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
KITTY = re.compile(rb"\x1b_Gi=31;([^\x1b]*)\x1b\\")
ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
SIXELS = b"4"
ANSWER_S = 0.5
NO_ANSWER = b""


class Answers(NamedTuple):
    """What a terminal shows."""

    kitty: bool
    sixel: bool


def asked(descriptor: int) -> Answers:
    """What the terminal of an open descriptor says; nothing of it where it cannot be asked."""
    told = NO_ANSWER if sys.platform == "win32" else _told(descriptor)
    kitty, attributes = KITTY.search(told), ATTRIBUTES.search(told)
    return Answers(
        kitty=kitty is not None and kitty[1] == b"OK",
        sixel=attributes is not None and SIXELS in attributes[1].split(b";")[1:],
    )


if sys.platform != "win32":
    import fcntl
    import termios

    def _told(descriptor: int) -> bytes:
        """What came, until the attributes or for `ANSWER_S`."""
        try:
            if os.tcgetpgrp(descriptor) != os.getpgrp():  # the kernel stops programs in the background that ask
                return NO_ANSWER
            terminal = os.open(os.ttyname(descriptor), os.O_RDWR | os.O_NOCTTY)
        except OSError:  # not the terminal that this process is controlled by
            return NO_ANSWER
        try:
            with _unbuffered(terminal):
                if _has_input(terminal, 0.0):
                    return NO_ANSWER
                os.write(terminal, QUESTION)
                told = _read(terminal)
            _put_back(terminal, KITTY.sub(b"", ATTRIBUTES.sub(b"", told)))
        except (OSError, termios.error):
            return NO_ANSWER
        finally:
            os.close(terminal)
        return told

    @contextlib.contextmanager
    def _unbuffered(terminal: int) -> Iterator[None]:
        """Bytes come one at a time and are not echoed. Ctrl-C stays what it is, and no input is discarded."""
        before = termios.tcgetattr(terminal)
        changed = [*before]
        changed[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(terminal, termios.TCSANOW, changed)
        try:
            yield
        finally:
            termios.tcsetattr(terminal, termios.TCSANOW, before)

    def _read(terminal: int) -> bytes:
        told, until = b"", monotonic() + ANSWER_S
        while not ATTRIBUTES.search(told) and _has_input(terminal, until - monotonic()):
            told += os.read(terminal, 1)  # no byte beyond the last answer
        return told

    def _has_input(terminal: int, seconds: float) -> bool:
        return bool(select.select([terminal], [], [], max(0.0, seconds))[0])

    def _put_back(terminal: int, typed: bytes) -> None:
        for byte in typed:
            fcntl.ioctl(terminal, termios.TIOCSTI, bytes([byte]))
