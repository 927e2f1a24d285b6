"""`service.cli.progress`: what a person sees of a job."""

from io import StringIO
from typing import Any

from rich.console import Console

from pushforward.service.cli.progress import TimeLeft, follow, numbers

STATES: list[tuple[str, dict[str, Any]]] = [("state", {"state": "queued"}), ("state", {"state": "running"})]


def progress(step: int) -> tuple[str, dict[str, Any]]:
    return "progress", {"step": step, "total_steps": 1000, "steps_per_s": 10.0, "losses": {"loss_nats": 1 / step}}


def shown(events: list[tuple[str, dict[str, Any]]], *, terminal: bool, width: int = 200) -> str:
    console = Console(file=StringIO(), force_terminal=terminal, width=width, markup=False, highlight=False)
    follow(iter(events), console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_time_left_is_told_from_the_second_report_to_the_last_step() -> None:
    pace = TimeLeft()
    assert [pace.after(progress(step)[1]) for step in (1, 3, 900, 1000)] == ["", "100 s left", "10 s left", ""]


def test_numbers_that_are_not_finite_are_told_as_such() -> None:
    assert numbers({"a_nats": "NaN", "b": "-Infinity", "c": 1.25}) == "a_nats nan  b -inf  c 1.25"


def test_hours_are_written_as_hours() -> None:
    assert TimeLeft().after({"step": 2, "total_steps": 72_002, "steps_per_s": 10.0}) == "2 h left"


def test_the_time_left_follows_the_mean_pace_and_not_the_last_report() -> None:
    """Reports of 5 and of 20 steps/s by turns: 32 steps in 1.6 s + 1.2 s."""
    pace, step, minutes = TimeLeft(), 0, list[float]()
    for number in range(40):
        steps, steps_per_s = (8, 5.0) if number % 2 else (24, 20.0)
        step += steps
        words = pace.after({"step": step, "total_steps": 20_000, "steps_per_s": steps_per_s})
        minutes.append(float(words.removesuffix(" min left")) - (20_000 - step) * 2.8 / 32 / 60)
    assert max(map(abs, minutes[10:])) < 2.0, minutes


def test_the_time_left_that_a_training_reports_is_told_as_it_is() -> None:
    told = TimeLeft().after({"step": 100, "total_steps": 1000, "steps_per_s": 1.0, "seconds_left": 42.0})
    assert told == "42 s left"


def test_a_picture_leaves_the_progress_as_it_is() -> None:
    picture = ("picture", {"step": 1, "what": "samples", "png": "aGk="})
    events = [*STATES, progress(1), picture, progress(1000)]
    without = [*STATES, progress(1), progress(1000)]
    assert shown(events, terminal=False) == shown(without, terminal=False)


def test_a_slower_pace_is_followed_within_a_minute() -> None:
    pace = TimeLeft()
    for step in range(10, 210, 10):
        pace.after({"step": step, "total_steps": 1000, "steps_per_s": 10.0})
    for step in range(210, 400, 10):  # 190 s at a tenth of the pace
        words = pace.after({"step": step, "total_steps": 1000, "steps_per_s": 1.0})
    assert words == "10 min left"


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
