"""`cli.graphics.curves`: dots where the curve is, heights that follow it, values in a pipe."""

import numpy as np
import pytest

from pushforward.service.cli.graphics.curves import BRAILLE, DOTS, HEIGHT, chart, dots, finite, line, rows, told


def curve(values: list[float | str], best: int | None = None) -> dict[str, object]:
    steps = [10 * (i + 1) for i in range(len(values))]
    return {"name": "nll_nats", "steps": steps, "values": values, "held_out": best is not None, "best_step": best}


def pixels(lines: list[str]) -> np.ndarray:
    """Braille cells as dots."""
    width = max(map(len, lines))
    codes = np.array([[ord(cell) if cell != " " else BRAILLE for cell in each.ljust(width)] for each in lines])
    bits = (codes - BRAILLE)[:, None, :, None] & DOTS[None, :, None, :] > 0
    return bits.reshape(4 * len(lines), 2 * width)


def test_dots_are_where_the_curve_is() -> None:
    steps = np.arange(41, dtype=float)
    shown = pixels(list(dots(steps, 2 - np.cos(steps / 6), (1.0, 3.0), 20)))
    assert shown.shape == (4 * HEIGHT, 40)
    for x in range(40):
        wanted = np.round((3 - (2 - np.cos(steps[x : x + 2] / 6))) / 2 * (4 * HEIGHT - 1))
        assert shown[int(wanted.min()) : int(wanted.max()) + 1, x].all()
        assert shown[:, x].sum() == wanted.max() - wanted.min() + 1


def test_a_chart_names_its_ends_and_fits_the_terminal() -> None:
    lines = list(chart(curve([5.0, 4.0, 3.0, 2.5], best=40), 40))
    assert lines[0] == "nll_nats  5 → 2.5, best 2.5 at step 40"
    assert lines[1].startswith("  5 ┤")
    assert lines[HEIGHT].startswith("2.5 ┤")
    assert lines[-1].split() == ["step", "10", "40"]
    assert max(map(len, lines)) <= 40


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0, 1.0], ["NaN", 1.0, "Infinity", 2.0], ["NaN", "NaN"], []])
def test_flat_short_and_broken_curves_are_shown(values: list[float | str]) -> None:
    for each in (*chart(curve(values), 60), line(curve(values))):
        assert "\x1b" not in each


def test_first_losses_that_dwarf_all_others_are_cut_off() -> None:
    lines = list(chart(curve([1e6, *np.linspace(2, 1, 40).tolist()]), 60))
    assert float(lines[1].split("┤")[0]) < 2
    assert "1e+06" in lines[0]


def test_heights_follow_the_curve() -> None:
    heights, _, said = line(curve(np.linspace(8, 1, 24).tolist())).partition("  ")
    assert heights == "".join(sorted(heights, reverse=True))
    assert (heights[0], heights[-1]) == ("█", "▁")
    assert said == "nll_nats  8 → 1"


def test_a_pipe_gets_every_value() -> None:
    losses = {"curves": [curve([2.0, "NaN"]), curve([1.0], best=10)]}
    assert rows(losses) == [["nll_nats", "10", "2"], ["nll_nats", "20", "nan"], ["nll_nats", "10", "1"]]
    steps, values = finite(curve([2.0, "NaN"]))
    assert (steps.tolist(), values.tolist()) == ([10.0], [2.0])
    assert told(curve([])) == "nll_nats  no values"
