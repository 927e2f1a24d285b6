"""A job's progress as a person wants it: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import exp
from time import monotonic
from typing import Any, final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

Events = Iterable[tuple[str, dict[str, Any]]]  # kind and data, as `Client.watch` gives them

LINE_S = 5.0  # between two lines of progress
MEMORY_S = 30.0  # over which the pace is averaged


def follow(events: Events, console: Console) -> None:
    """Show the events as they come, to their end."""
    show = _as_bar if console.is_terminal else _as_lines
    show(events, console)


def numbers(values: Mapping[str, float | str]) -> str:
    """`loss_nats 1.234  kl_nats 0.5`; what is not finite comes as a word."""
    return "  ".join(f"{name} {float(value):.4g}" for name, value in values.items())


def headline(metrics: Mapping[str, float | str]) -> str:
    """The numbers of a finished model that one looks at first."""
    prefixes = ("validation_log_prob_nats_", "validation_bits_per_dim", "validation_rmse")
    chosen = {name: metrics[name] for name in metrics if name.startswith(prefixes)}
    distance = "sliced_wasserstein_standardized"
    return numbers(chosen | ({distance: metrics[distance]} if distance in metrics else {}))


@final
class Pace:
    """Time left, from the mean pace of the last half minute or so: single reports jump.

    Each report says how fast the steps since the one before it were. With dt = steps / steps_per_s, the sums of steps
    and of dt forget by exp(-dt / MEMORY_S), so their ratio is the mean pace over about MEMORY_S.
    """

    def __init__(self) -> None:
        self._step = 0
        self._steps = self._seconds = 0.0

    def left(self, progress: Mapping[str, Any]) -> str:
        """`42 s left`, `3 min left`; nothing at the first step, which warms up, and at the last."""
        step, total = progress["step"], progress["total_steps"]
        steps, self._step = step - self._step, step
        if steps > 1 and progress["steps_per_s"]:
            seconds = steps / progress["steps_per_s"]
            kept = exp(-seconds / MEMORY_S)
            self._steps, self._seconds = kept * self._steps + steps, kept * self._seconds + seconds
        if step in (1, total) or not self._steps:
            return ""
        return _in_words((total - step) * self._seconds / self._steps)


def _in_words(seconds: float) -> str:
    for unit, unit_s in (("h", 3600), ("min", 60)):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit} left"
    return f"{seconds:.0f} s left"


def waiting(job: Mapping[str, Any]) -> str:
    """`queued, place 2, behind a1986a0ae53f04a8 and 1 more`, or for what the machine makes it wait."""
    if job.get("waiting_for"):
        return f"queued: {job['waiting_for']}"
    place, ahead = job.get("queue_position"), job.get("ahead") or ()
    if not place:
        return "queued"
    behind = f", behind {ahead[0]}" + (f" and {len(ahead) - 1} more" if len(ahead) > 1 else "") if ahead else ""
    return f"queued, place {place}{behind}"


@final
class _Told(ProgressColumn):
    """What was last told; cut first where the terminal is narrow."""

    def render(self, task: Task) -> Text:
        return Text(task.fields["told"], no_wrap=True, overflow="ellipsis")


def _as_bar(events: Events, console: Console) -> None:
    steps = MofNCompleteColumn(table_column=Column(no_wrap=True))
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), steps, _Told())
    pace = Pace()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("queued", total=None, told="")
        for kind, data in events:
            match kind:
                case "progress":
                    told = "  ".join(filter(None, (pace.left(data), numbers(data["losses"]))))
                    bar.update(task, completed=data["step"], total=data["total_steps"], told=told)
                case "log":
                    bar.console.print(data["message"])
                case "state":
                    bar.update(task, description=data["state"])
                    if data["state"] == "queued":
                        bar.update(task, told=waiting(data))
                case "queue":
                    bar.update(task, told=waiting(data))


def _as_lines(events: Events, console: Console) -> None:
    pace, said_at = Pace(), -LINE_S
    state = None
    unit = "step"
    for kind, data in events:
        match kind:
            case "progress":
                left = pace.left(data)
                if data["step"] == data["total_steps"] or monotonic() - said_at >= LINE_S:
                    said_at = monotonic()
                    told = (left, numbers(data["losses"]))
                    console.print("  ".join((f"{unit} {data['step']}/{data['total_steps']}", *filter(None, told))))
            case "log":
                console.print(data["message"])
            case "state" if data["state"] != state:
                unit = "row" if data.get("kind") == "sample" else "step"
                state = data["state"]
                console.print(waiting(data) if state == "queued" else state)
            case "queue":
                console.print(waiting(data))
