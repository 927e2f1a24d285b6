"""`cli.graphics.questions`: a terminal is asked, at its other end."""

from pathlib import Path

import pytest

from tests.service.cli.graphics.terminals import KITTY, NEITHER, SIXELS, Terminal

ASKED = "from pushforward.service.cli.graphics.questions import asked; print(*asked(1))"
THEN_A_LINE = f"{ASKED}; print('read', input())"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (KITTY, "True False"),
        (SIXELS, "False True"),
        (KITTY[:-2] + b";4c", "True True"),
        (NEITHER, "False False"),
        (b"\x1b[?4c", "False False"),  # a terminal of class 4
        (b"\x1b[?62;14;42c", "False False"),
        (b"\x1b_Gi=31;ENOTSUPPORTED\x1b\\" + NEITHER, "False False"),
        (b"", "False False"),  # it never answers
    ],
)
def test_a_terminal_is_believed(answer: bytes, told: str) -> None:
    terminal = Terminal(answer)
    assert terminal.run("-c", ASKED).strip() == told
    assert terminal.was_asked


def test_where_something_is_typed_already_nothing_is_asked_and_it_stays() -> None:
    terminal = Terminal(KITTY, typed_before=b"ls\n")
    assert terminal.run("-c", THEN_A_LINE).splitlines()[-2:] == ["False False", "read ls"]
    assert not terminal.was_asked


def test_what_is_typed_before_the_answer_stays_too() -> None:
    if not may_put_back():
        pytest.skip("this kernel refuses TIOCSTI")
    terminal = Terminal(KITTY, typed_meanwhile=b"ls\n")
    assert terminal.run("-c", THEN_A_LINE).splitlines()[-2:] == ["True False", "read ls"]


def may_put_back() -> bool:
    setting = Path("/proc/sys/dev/tty/legacy_tiocsti")
    return not setting.exists() or setting.read_text().strip() == "1"


def test_the_terminal_echoes_again_afterwards() -> None:
    echoes = "import termios; print(bool(termios.tcgetattr(0)[3] & termios.ECHO))"
    assert Terminal(SIXELS).run("-c", f"{ASKED}; {echoes}").splitlines() == ["False True", "True"]


def test_a_program_in_the_background_does_not_ask() -> None:
    """The kernel would stop it. The foreground is the parent's."""
    program = f"import os\nif os.fork():\n    os.wait()\nelse:\n    os.setpgid(0, 0)\n    {ASKED}"
    terminal = Terminal(KITTY)
    assert terminal.run("-c", program).strip() == "False False"
    assert not terminal.was_asked


def test_a_pipe_is_not_asked() -> None:
    program = f"import os; r, w = os.pipe(); {ASKED.replace('asked(1)', 'asked(w)')}"
    assert Terminal(KITTY).run("-c", program).strip() == "False False"
