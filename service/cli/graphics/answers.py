"""The answer to a request as a picture, where the output is a terminal and its rows can be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from rich.console import Console

from pushforward.service.cli.graphics.detection import Graphics, Screen
from pushforward.service.cli.graphics.drawing import TerminalPicture
from pushforward.service.cli.graphics.pixels import opened
from pushforward.service.client import Client

OPERATIONS = frozenset({"sample", "decode", "reconstruct", "interpolate", "complete", "translate"})
OF_PIXELS = (Graphics.KITTY, Graphics.SIXEL)
PNG = "image/png"
MOST_IMAGES, MOST_POINTS = 256, 10_000  # more are numbers
SHARE = 0.5  # of a terminal's width and height, to which small pictures are enlarged


def show_answer(client: Client, op: str, body: Mapping[str, Any], out: Console, err: Console) -> bool:
    """Show the answer as a picture; False, without a request to the model, where it cannot be one. Raises Refused."""
    screen = Screen.of(out)
    if screen is None or op not in OPERATIONS:
        return False
    if n_rows(body) > _most_drawn(client.get(f"/models/{body['model']}")["spec"], op, screen):
        return False
    answer = client.ask(op, body, accept=PNG)
    show(answer.content, screen, out)
    seed = answer.headers.get("pushforward-seed")
    err.print(answer.headers["pushforward-model"] + (f" with seed {seed}" if seed else ""))
    return True


def show(png: bytes, screen: Screen, out: Console) -> None:
    """A picture at the cursor, small ones enlarged."""
    out.print(TerminalPicture(enlarged(png, screen), screen), end="")


def n_rows(body: Mapping[str, Any]) -> int:
    """How many rows a request asks for."""
    of_rows = (len(body[name]) for name in ("x", "z", "patches") if name in body)
    return max(*of_rows, int(body.get("n", 1)), int(body.get("steps", 1)), 1)


def enlarged(png: bytes, screen: Screen) -> bytes:
    """The picture, its pixels repeated where it would be small on a terminal that shows pixels."""
    if screen.graphics not in OF_PIXELS:
        return png
    from PIL import Image

    image = opened(png)
    room = screen.columns * screen.cell_px[0], screen.rows * screen.cell_px[1]
    times = int(min(SHARE * side / own for side, own in zip(room, image.size, strict=True)))
    if times < 2:
        return png
    stream = BytesIO()
    image.resize((times * image.width, times * image.height), Image.Resampling.NEAREST).save(stream, "PNG")
    return stream.getvalue()


def _most_drawn(spec: Mapping[str, Any], op: str, screen: Screen) -> int:
    """Images are drawn in any way; points of the plane by pixels only, for half blocks are too coarse for a scatter."""
    if spec["table"] is None and len(spec["shape"]) == 3:
        return MOST_IMAGES
    is_plane = spec["table"] is None and spec["shape"] == [2] and op == "sample"
    return MOST_POINTS if is_plane and screen.graphics in OF_PIXELS else 0
