"""The losses of a training on a terminal, in a pipe, or as JSON."""

from __future__ import annotations

from pushforward.service.cli.graphics.answers import OF_PIXELS, show
from pushforward.service.cli.graphics.curves import charts, line, rows
from pushforward.service.cli.graphics.detection import Screen
from pushforward.service.cli.terminal import err, out, print_json, print_table
from pushforward.service.client import Client

POINTS = 500


def show_losses(client: Client, job_id: str, *, json: bool) -> None:
    """The curves as the service draws them where the terminal shows pixels, as dots where not; values in a pipe."""
    losses = client.losses(job_id, points=POINTS)
    screen = None if json else Screen.of(out)
    if json:
        print_json(losses)
    elif screen is None:
        print_table(("curve", "step", "value"), rows(losses))
    elif screen.graphics in OF_PIXELS and losses["curves"]:
        show(client.picture_of_losses(job_id), screen, out)
    else:
        for each in charts(losses, screen.columns):
            out.print(each)


def show_lines(client: Client, job_id: str) -> None:
    """Each curve in a line, where a person looks on."""
    if err.is_terminal and not err.options.ascii_only:
        for curve in client.losses(job_id, points=POINTS)["curves"]:
            err.print(line(curve))
