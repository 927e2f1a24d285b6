"""How the figures of this folder look, and where they go: to the path that is given, or here, named for the script."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

COLORS = BLUE, RED, GREEN, PURPLE = "#1b4f8a", "#c43020", "#2e8b57", "#7a4fa3"
STYLE: dict[Any, Any] = {
    "axes.prop_cycle": f"cycler('color', {list(COLORS)})",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "legend.framealpha": 0.9,
    "lines.linewidth": 1.5,
    "path.simplify": False,  # points are very short lines
    "svg.fonttype": "none",  # letters are text: small, and a test can read them
    "svg.hashsalt": "theory",  # names of clips are the same at each run
}
TOO_FINE = re.compile(r"(\.\d)\d+(?=[^<>]*>)")  # digits of a number in a tag: a tenth of a point is enough
IDLE = re.compile(r'(?<=\n)\s+|\n(?=L )|(?<=<g) id="[^"]*"| transform="rotate\(-0 [^"]*"')  # not needed by an svg
UNTOLD = dict.fromkeys(("Creator", "Date", "Format", "Type"))
WIDTH, HEIGHT = 3.6, 3.0  # of a panel, inches


def panels(n: int) -> tuple[Figure, list[Axes]]:
    """N axes in a row."""
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH * n, HEIGHT), layout="constrained")
        return figure, [figure.add_subplot(1, n, i + 1) for i in range(n)]


def dots(ax: Axes, x: NDArray[np.float64], color: str, label: str) -> None:
    """A point for each row of x, (n, 2), all in one path: a third of what as many markers take in an svg."""
    ends = np.stack([x, x + 1e-3, np.full_like(x, np.nan)], 1)  # a line of no length has round ends alone
    ax.plot(*ends.reshape(-1, 2).T, color=color, label=label, linewidth=3.5, solid_capstyle="round")


def destination(script: str) -> Path:
    """The path on the command line; without one, a file in the current directory."""
    return Path(sys.argv[1]) if len(sys.argv) > 1 else Path(f"{Path(script).stem}.svg")


def write(figure: Figure, path: Path) -> None:
    """As the ending of the path says, svg or png; an svg is the same, byte for byte, for the same numbers."""
    vector = path.suffix == ".svg"
    with rc_context(STYLE):
        figure.savefig(path, dpi=150, metadata=UNTOLD if vector else {})
    if vector:
        path.write_text(IDLE.sub("", TOO_FINE.sub(r"\1", path.read_text())))
    print(f"wrote {path}")
