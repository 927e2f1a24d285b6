"""`service.cli.following`: what a person sees of a job."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from service.cli.following import follow, left

STATES: list[tuple[str, dict[str, Any]]] = [("state", {"state": "queued"}), ("state", {"state": "running"})]


def progress(step: int) -> tuple[str, dict[str, Any]]:
    return "progress", {"step": step, "total_steps": 1000, "steps_per_s": 10.0, "losses": {"loss_nats": 1 / step}}


def shown(events: list[tuple[str, dict[str, Any]]], *, terminal: bool, width: int = 200) -> str:
    console = Console(file=StringIO(), force_terminal=terminal, width=width, markup=False, highlight=False)
    follow(iter(events), console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(("step", "words"), [(1, ""), (2, "100 s left"), (900, "10 s left"), (1000, "")])
def test_the_time_left_is_told_from_the_second_step_on(step: int, words: str) -> None:
    assert left(progress(step)[1]) == words


def test_hours_are_told_as_hours() -> None:
    assert left({"step": 2, "total_steps": 72_002, "steps_per_s": 10.0}) == "2 h left"


def test_without_a_terminal_states_logs_and_the_last_step_are_lines() -> None:
    log = ("log", {"level": "info", "message": "resumed [at] step 500"})
    events = [*STATES, progress(1), progress(2), log, STATES[1], progress(1000)]
    assert shown(events, terminal=False).splitlines() == [
        "queued",
        "running",
        "step 1/1000  loss_nats 1",
        "resumed [at] step 500",
        "step 1000/1000  loss_nats 0.001",
    ]


def test_a_sampling_tells_rows() -> None:
    events: list[tuple[str, dict[str, Any]]] = [("state", {"state": "running", "kind": "sample"}), progress(1000)]
    assert shown(events, terminal=False).splitlines()[1].startswith("row 1000/1000")


def test_a_narrow_terminal_keeps_the_steps_and_cuts_the_losses() -> None:
    told = shown([*STATES, progress(2), progress(1000)], terminal=True, width=48)
    assert "1000/1000" in told
    assert max(map(len, told.splitlines())) < 400
