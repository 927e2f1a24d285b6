"""The progress of a job: a bar on a terminal, elsewhere a line every few seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import localtime, monotonic, strftime
from typing import Any, final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from pushforward.service.cli.graphics.above import PicturesAbove
from pushforward.service.domain.pace import MeanPace

Events = Iterable[tuple[str, dict[str, Any]]]  # kind and data, as `Client.watch` gives them

UNITS = {"sample": "row", "evaluate": "metric", "sweep": "trial"}  # of progress, by the kind of the job; else steps
LINE_S = 5.0  # between two lines of progress
MEMORY_S = 30.0  # over which the pace is averaged


def follow(events: Events, console: Console) -> None:
    """Show the events as they come, to their end."""
    show = _as_bar if console.is_terminal else _as_lines
    show(events, console)


def numbers(values: Mapping[str, float | str]) -> str:
    """`loss_nats 1.234  kl_nats 0.5`; values may be strings such as "NaN"."""
    return "  ".join(f"{name} {float(value):.4g}" for name, value in values.items())


def headline(metrics: Mapping[str, float | str]) -> str:
    """The most important metrics of a model."""
    prefixes = ("validation_log_prob_nats_", "validation_bits_per_dim", "validation_rmse")
    chosen = {name: metrics[name] for name in metrics if name.startswith(prefixes)}
    distance = "sliced_wasserstein_standardized"
    return numbers(chosen | ({distance: metrics[distance]} if distance in metrics else {}))


@final
class TimeLeft:
    """The time to the last step: as the report has it, else by the mean pace of about the last half minute.

    Single reports jump: each says how fast the steps since the one before it were.
    """

    def __init__(self) -> None:
        self._step = 0
        self._pace = MeanPace(MEMORY_S)

    def after(self, progress: Mapping[str, Any]) -> str:
        """`42 s left`, `3 min left`; empty at the first step, which warms up, and at the last."""
        step, total = progress["step"], progress["total_steps"]
        steps, self._step = step - self._step, step
        if steps > 1 and progress["steps_per_s"]:
            self._pace.add(steps, steps / progress["steps_per_s"])
        told = progress.get("seconds_left")
        seconds_left = self._pace.seconds_for(total - step) if told is None else float(told)
        return "" if step in (1, total) or seconds_left is None else _in_words(seconds_left)


def _in_words(seconds: float) -> str:
    for unit, unit_s in (("h", 3600), ("min", 60)):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit} left"
    return f"{seconds:.0f} s left"


def waiting(job: Mapping[str, Any]) -> str:
    """`queued, place 2, behind a1986a0ae53f04a8 and 1 more`, or the reason why it waits."""
    if job.get("waiting_for"):
        return f"queued: {job['waiting_for']}"
    place, ahead = job.get("queue_position"), job.get("ahead") or ()
    if not place:
        return "queued"
    behind = f", behind {ahead[0]}" + (f" and {len(ahead) - 1} more" if len(ahead) > 1 else "") if ahead else ""
    starts_at = job.get("starts_at")
    starts = "" if starts_at is None else f", starts at about {strftime('%H:%M', localtime(starts_at))}"
    return f"queued, place {place}{behind}{starts}"


@final
class _Status(ProgressColumn):
    """The time left and the losses; cut first where the terminal is narrow."""

    def render(self, task: Task) -> Text:
        return Text(task.fields["status"], no_wrap=True, overflow="ellipsis")


def _as_bar(events: Events, console: Console) -> None:
    steps = MofNCompleteColumn(table_column=Column(no_wrap=True))
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), steps, _Status())
    time_left, pictures = TimeLeft(), PicturesAbove(console)
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("queued", total=None, status="")
        for kind, data in events:
            match kind:
                case "progress":
                    status = "  ".join(filter(None, (data.get("what"), time_left.after(data), numbers(data["losses"]))))
                    bar.update(task, completed=data["step"], total=data["total_steps"], status=status)
                case "log":
                    bar.console.print(data["message"])
                case "picture":
                    pictures.show(data, bar.console)
                case "state":
                    bar.update(task, description=data["state"], **_of_sweep(data))
                    if data["state"] == "queued":
                        bar.update(task, status=waiting(data))
                case "queue":
                    bar.update(task, status=waiting(data))


def _of_sweep(job: Mapping[str, Any]) -> dict[str, Any]:
    """How many trials of a search ended, and how many there are; empty of other jobs, which report progress."""
    progress = job.get("progress") if job.get("kind") == "sweep" else None
    return {} if progress is None else {"completed": progress["step"], "total": progress["total_steps"]}


def _as_lines(events: Events, console: Console) -> None:
    time_left, printed_at = TimeLeft(), -LINE_S
    state = None
    unit = "step"
    for kind, data in events:
        match kind:
            case "progress":
                left = time_left.after(data)
                if data["step"] == data["total_steps"] or monotonic() - printed_at >= LINE_S:
                    printed_at = monotonic()
                    status = (left, numbers(data["losses"]))
                    console.print("  ".join((f"{unit} {data['step']}/{data['total_steps']}", *filter(None, status))))
            case "log":
                console.print(data["message"])
            case "state" if (done := _of_sweep(data)) and done["completed"]:
                state = data["state"]
                console.print(f"{state}  trial {done['completed']}/{done['total']}")
            case "state" if data["state"] != state:
                unit = UNITS.get(data.get("kind", ""), "step")
                state = data["state"]
                console.print(waiting(data) if state == "queued" else state)
            case "queue":
                console.print(waiting(data))
