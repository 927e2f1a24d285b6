"""A job's progress as a person wants it: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Any, final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

Events = Iterable[tuple[str, dict[str, Any]]]  # kind and data, as `Client.watch` gives them

LINE_S = 5.0  # between two lines of progress


def follow(events: Events, console: Console) -> None:
    """Show the events as they come, to their end."""
    show = _as_bar if console.is_terminal else _as_lines
    show(events, console)


def numbers(values: Mapping[str, float]) -> str:
    """`loss_nats 1.234  kl_nats 0.5`."""
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())


def left(progress: Mapping[str, Any]) -> str:
    """Time to the last step, at the present pace: `42 s left`, `3 min left`. The first step warms up: it has none."""
    if progress["step"] in (1, progress["total_steps"]) or not progress["steps_per_s"]:
        return ""
    seconds = (progress["total_steps"] - progress["step"]) / progress["steps_per_s"]
    for unit, unit_s in (("h", 3600), ("min", 60)):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit} left"
    return f"{seconds:.0f} s left"


@final
class _Told(ProgressColumn):
    """What was last told; cut first where the terminal is narrow."""

    def render(self, task: Task) -> Text:
        return Text(task.fields["told"], no_wrap=True, overflow="ellipsis")


def _as_bar(events: Events, console: Console) -> None:
    steps = MofNCompleteColumn(table_column=Column(no_wrap=True))
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), steps, _Told())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("queued", total=None, told="")
        for kind, data in events:
            match kind:
                case "progress":
                    told = "  ".join(filter(None, (left(data), numbers(data["losses"]))))
                    bar.update(task, completed=data["step"], total=data["total_steps"], told=told)
                case "log":
                    bar.console.print(data["message"])
                case "state":
                    bar.update(task, description=data["state"])


def _as_lines(events: Events, console: Console) -> None:
    said_at = -LINE_S
    state = None
    unit = "step"
    for kind, data in events:
        match kind:
            case "progress":
                if data["step"] == data["total_steps"] or monotonic() - said_at >= LINE_S:
                    said_at = monotonic()
                    told = (left(data), numbers(data["losses"]))
                    console.print("  ".join((f"{unit} {data['step']}/{data['total_steps']}", *filter(None, told))))
            case "log":
                console.print(data["message"])
            case "state" if data["state"] != state:
                unit = "row" if data.get("kind") == "sample" else "step"
                state = data["state"]
                console.print(state)
