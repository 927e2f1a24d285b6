"""`cli.graphics.detection`: what a terminal can show, by its environment or its answer."""

import pytest

from tests.service.cli.graphics.terminals import KITTY, NEITHER, PLAIN, SIXELS, Terminal

SCREEN = """
from rich.console import Console
from pushforward.service.cli.graphics.detection import Screen
screen = Screen.of(Console())
print(screen.graphics.name, screen.columns, screen.rows, *screen.cell_px, screen.all_colors)
"""


def shown(terminal: Terminal) -> list[str]:
    return terminal.run("-c", SCREEN).split()


@pytest.mark.parametrize(
    ("answer", "graphics"),
    [(KITTY, "KITTY"), (SIXELS, "SIXEL"), (KITTY[:-2] + b";4c", "KITTY"), (NEITHER, "BLOCKS"), (b"", "BLOCKS")],
)
def test_the_best_that_a_terminal_tells_of_is_taken(answer: bytes, graphics: str) -> None:
    assert shown(Terminal(answer)) == [graphics, "80", "24", "8", "16", "True"]


@pytest.mark.parametrize(
    ("environment", "graphics"),
    [
        ({"TERM": "xterm-kitty"}, "KITTY"),
        ({"TERM": "foot"}, "SIXEL"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "KITTY"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, "BLOCKS"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux-0/default,1,0"}, "BLOCKS"),
        ({"TERM": "screen-256color"}, "BLOCKS"),
        ({"TERM": "linux"}, "CHARACTERS"),
        ({"TERM": "dumb"}, "CHARACTERS"),
        ({**PLAIN, "NO_COLOR": "1"}, "CHARACTERS"),
        ({**PLAIN, "TMUX": "1", "PYTHONIOENCODING": "ascii"}, "CHARACTERS"),
    ],
)
def test_where_the_environment_tells_the_terminal_is_not_asked(environment: dict[str, str], graphics: str) -> None:
    terminal = Terminal(SIXELS, environment=environment)
    assert shown(terminal)[0] == graphics
    assert not terminal.was_asked


def test_colors_sizes_and_pixels_are_those_of_the_terminal() -> None:
    small = Terminal(SIXELS, columns=40, rows=12, cell_px=(10, 21), environment={"TERM": "xterm-256color"})
    assert shown(small) == ["SIXEL", "40", "12", "10", "21", "False"]
    assert shown(Terminal(SIXELS, cell_px=(0, 0)))[3:5] == ["8", "16"]  # it tells none


def test_a_pipe_is_no_screen_even_where_colors_are_forced() -> None:
    program = SCREEN.replace("Console()", "Console(file=open('/dev/null', 'w'))").split("print")[0] + "print(screen)"
    assert Terminal(KITTY, environment={**PLAIN, "FORCE_COLOR": "1"}).run("-c", program).strip() == "None"
