"""What the charts of the service show; an SVG and a PNG of a chart show the same."""

from __future__ import annotations

from io import BytesIO
from math import inf, nan
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.domain.charts import LossCurve, LossCurves, ScoreHistogram
from pushforward.service.domain.errors import NotAcceptable
from pushforward.service.domain.jobs import State
from pushforward.service.formats.charts import raster, svg
from pushforward.service.formats.charts.figures import (
    of_density,
    of_histogram,
    of_likelihoods,
    of_losses,
    of_points,
    of_scores,
)
from pushforward.service.formats.charts.layout import scene
from pushforward.service.formats.charts.marks import Bars, Chart, Line, Map, Points, Rug, Rule
from pushforward.service.formats.charts.scene import Box, Label, Raster, Scene, Stroke
from pushforward.service.formats.charts.sheets import of_rows

SVG = "{http://www.w3.org/2000/svg}"
HISTOGRAM = ScoreHistogram(
    model="m@1", kind="exact", n=10, edges=(-4, -3, -2, -1), counts=(1, 3, 4), below=2, above=0
)  # fmt: skip


def curve(name: str, *values: float, held_out: bool = False, best_step: int | None = None) -> LossCurve:
    steps = tuple(range(1, len(values) + 1))
    return LossCurve(name=name, steps=steps, values=values, held_out=held_out, best_step=best_step)


def losses(*curves: LossCurve) -> Chart:
    return of_losses(LossCurves(job="j<1>", state=State.RUNNING, step=3, total_steps=9, curves=curves))


CHARTS = {
    "losses": losses(curve("a_nats", 3, 2, 1), curve("h", 2.5, 1.5, 1.2, held_out=True, best_step=3)),
    "two panels": losses(curve("a_nats", 300, 200, 100), curve("kl_nats", 1, 2, 3)),
    "not finite": losses(curve("a", 1, nan, 2, inf, 3)),
    "never finite": losses(curve("a", nan, nan)),
    "one point": losses(curve("a", 1)),
    "nothing": losses(),
    "logarithmic": losses(curve("a", 1000, 100, 10, 1)),
    "histogram": of_histogram(HISTOGRAM),
    "no bins": of_histogram(HISTOGRAM.model_copy(update={"edges": (), "counts": ()})),
    "likelihoods": of_likelihoods(HISTOGRAM),
    "scores": of_scores(HISTOGRAM, np.array([-2.5, -9, -inf]), np.array([False, True, True]), -3.5),
    "far rows": of_scores(HISTOGRAM, np.array([-2.5, -1e9]), np.array([False, True]), -3.5),
    "no bars": of_scores(
        HISTOGRAM.model_copy(update={"edges": (), "counts": ()}), np.array([-2.5]), np.array([False]), -3.5
    ),
    "narrow bars": of_scores(
        HISTOGRAM.model_copy(update={"edges": tuple(np.linspace(-2, -1, 101).tolist()), "counts": (1,) * 100}),
        np.array([-9.0]),
        np.array([True]),
        -3.5,
    ),
    "no threshold": of_scores(HISTOGRAM, np.array([-2.5]), np.array([False]), None),
    "threshold at infinity": of_scores(HISTOGRAM, np.array([-2.5]), np.array([False]), -inf),
    "density": of_density("m@1", np.array([-inf, 0.0, -1.0, nan]), 2, ((0, 1), (0, 2))),
    "no density": of_density("m@1", np.full(4, -inf), 2, ((0, 1), (0, 1))),
    "elongated": of_density("m@1", np.zeros(4), 2, ((0, 1), (0, 1000))),
    "points": of_points("m@1", np.array([[0, 0], [1, 2], [nan, 0]])),
    "no points": of_points("m@1", np.empty((0, 2))),
}


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_is_an_svg_with_a_title_and_a_png_of_the_same_size(name: str) -> None:
    drawn = scene(CHARTS[name])
    document = ElementTree.fromstring(svg.svg(drawn))
    title = document.find(f"{SVG}title")
    assert title is not None
    assert title.text == CHARTS[name].title
    assert b"nan" not in svg.svg(drawn)
    assert b"inf " not in svg.svg(drawn)
    height, width, _ = pixels(raster.png(drawn)).shape
    view = [float(number) for number in document.attrib["viewBox"].split()]
    assert abs(width - 2 * view[2]) <= 2
    assert abs(height - 2 * view[3]) <= 2


@pytest.mark.parametrize("name", CHARTS)
def test_nothing_is_drawn_outside_of_the_picture(name: str) -> None:
    drawn = scene(CHARTS[name])
    for shape in drawn.shapes:
        at = shape.points if isinstance(shape, Stroke) else np.array([[getattr(shape, "x", 0), getattr(shape, "y", 0)]])
        assert (at >= 0).all()
        assert (at <= [drawn.width, drawn.height]).all()


def test_a_line_has_its_color_in_the_png_where_the_svg_has_its_points() -> None:
    drawn = scene(losses(curve("a", 1, 2, 3)))
    [line] = [shape for shape in drawn.shapes if isinstance(shape, Stroke) and len(shape.points) == 3]
    shown = pixels(raster.png(drawn))
    color = [int(line.ink.color[i : i + 2], 16) for i in (1, 3, 5)]
    for x, y in line.points[1:2]:
        assert np.abs(shown[round(2 * y), round(2 * x)].astype(int) - color).max() < 40
    down = line.points[:, 1]
    assert down[0] > down[1] > down[2]  # upward


def test_a_line_breaks_where_it_is_not_finite() -> None:
    drawn = scene(losses(curve("a", 1, 2, nan, 3, 4, inf)))
    assert sum(isinstance(shape, Stroke) and shape.ink.color == "#0072b2" for shape in drawn.shapes) == 3  # a key


def test_names_are_written_as_text_and_escaped() -> None:
    document = svg.svg(scene(losses(curve("<b>&", 1, 2)))).decode()
    assert "<b>" not in document
    assert "&lt;b&gt;&amp;" in document


def test_curves_share_a_panel_where_their_values_overlap() -> None:
    chart = losses(curve("elbo", 300, 100), curve("kl", 1, 20), curve("reconstruction", 290, 90), curve("far", 1e6))
    assert [[mark.name for mark in panel.marks] for panel in chart.panels] == [
        ["kl"],
        ["elbo", "reconstruction"],
        ["far"],
    ]


def test_a_curve_between_two_others_joins_them() -> None:
    [panel] = losses(curve("a", 1, 2), curve("b", 3, 4), curve("c", 1.5, 3.5)).panels
    assert {mark.name for mark in panel.marks} == {"a", "b", "c"}


def test_no_two_lines_of_a_panel_differ_by_color_alone() -> None:
    [panel] = losses(*(curve(f"loss {i}", 1, 2) for i in range(6))).panels
    assert len({mark.ink.dash for mark in panel.marks if isinstance(mark, Line)}) == 6


def test_the_held_out_curve_shows_its_points_and_the_best_of_them() -> None:
    [panel] = CHARTS["losses"].panels
    train, held_out, best = panel.marks
    assert isinstance(train, Line)
    assert isinstance(held_out, Line)
    assert isinstance(best, Points)
    assert (train.dots, held_out.dots, held_out.name) == (False, True, "h, held out")
    assert (best.x.tolist(), best.y.tolist(), best.shape, best.name) == ([3], [1.2], "ring", "best, step 3")


def test_a_histogram_tells_how_many_rows_are_beyond_its_bars() -> None:
    [panel] = of_histogram(HISTOGRAM).panels
    [bars] = panel.marks
    assert isinstance(bars, Bars)
    assert bars.name == "10 rows, 2 below the bars"
    boxes = [shape for shape in scene(of_histogram(HISTOGRAM)).shapes if isinstance(shape, Box)][1:]  # after the key
    np.testing.assert_allclose([box.height / boxes[0].height for box in boxes], [1, 3, 4])


def test_flagged_rows_have_another_shape_and_another_color() -> None:
    [panel] = CHARTS["scores"].panels
    _, rule, rows, flagged = panel.marks
    assert isinstance(rule, Rule)
    assert isinstance(rows, Rug)
    assert isinstance(flagged, Rug)
    assert (rule.x, rows.x.tolist()) == (-3.5, [-2.5])
    assert (rows.shape, flagged.shape) == ("stroke", "triangle")
    assert rows.ink.color != flagged.ink.color
    assert flagged.name == "2 flagged rows, 1 of them farther out, at the edge"
    assert flagged.x.tolist() == [-9, panel.x.low]
    assert panel.x.low < -9 < -1 < panel.x.high


def test_rows_far_out_stand_at_the_edge_and_the_bars_stay_wide() -> None:
    [panel] = CHARTS["far rows"].panels
    *_, flagged = panel.marks
    assert isinstance(flagged, Rug)
    assert (flagged.name, flagged.x.tolist()) == (
        "1 flagged row, 1 of them farther out, at the edge", [panel.x.low]
    )  # fmt: skip
    assert panel.x.high - panel.x.low < 6 * (HISTOGRAM.edges[-1] - HISTOGRAM.edges[0])


def test_a_threshold_that_is_not_finite_is_not_drawn() -> None:
    for name in ("no threshold", "threshold at infinity"):
        assert not any(isinstance(mark, Rule) for mark in CHARTS[name].panels[0].marks)


def test_a_density_is_bright_where_it_is_high_and_its_top_is_above() -> None:
    [panel] = CHARTS["density"].panels
    [shown] = panel.marks
    assert isinstance(shown, Map)
    brightness = shown.pixels.astype(int).sum(-1)
    assert brightness[0, 1] == brightness.max()
    assert brightness[0, 0] == brightness[1, 1] == brightness.min()
    assert brightness.min() < brightness[1, 0] < brightness.max()


def test_the_axes_of_the_plane_have_one_scale_unless_it_is_far_longer_than_wide() -> None:
    [square] = [shape for shape in scene(CHARTS["density"]).shapes if isinstance(shape, Raster)]
    assert square.height == pytest.approx(2 * square.width)
    [other] = [shape for shape in scene(CHARTS["elongated"]).shapes if isinstance(shape, Raster)]
    assert other.width > other.height


def test_images_and_series_are_one_picture_of_a_grid() -> None:
    digits = np.full((3, 1, 8, 8), 16.0)
    drawn = of_rows("m@1", digits, DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17))
    [sheet] = drawn.shapes
    assert isinstance(sheet, Raster)
    assert (drawn.title, drawn.width, drawn.height) == ("m@1: 3 images", 100, 100)
    assert pixels(sheet.png).shape[:2] == (100, 100)
    image = ElementTree.fromstring(svg.svg(drawn)).find(f"{SVG}image")
    assert image is not None
    assert image.attrib["href"].startswith("data:image/png;base64,iVBOR")
    assert of_rows("m@1", np.zeros((2, 1, 16)), DataSpec(shape=(1, 16))).title == "m@1: 2 series"


def test_points_of_the_plane_stand_between_axes() -> None:
    drawn = of_rows("m@1", np.zeros((2, 2), np.float32), DataSpec(shape=(2,)))
    assert {"x[0]", "x[1]"} <= {shape.text for shape in drawn.shapes if isinstance(shape, Label)}


@pytest.mark.parametrize("spec", [DataSpec(shape=(5,)), None])
def test_other_rows_are_not_drawn(spec: DataSpec | None) -> None:
    with pytest.raises(NotAcceptable, match="only images"):
        of_rows("m@1", np.zeros((1, 5)), spec)


def test_a_dashed_line_is_drawn_for_some_of_its_length() -> None:
    def drawn(dash: tuple[float, ...]) -> int:
        [panel] = losses(curve("a", 1, 2)).panels
        line = next(mark for mark in panel.marks if isinstance(mark, Line))
        stroke = Stroke(np.array([[0.0, 10.0], [100.0, 10.0]]), line.ink._replace(dash=dash))
        return int((pixels(raster.png(Scene("t", 100, 20, (stroke,))))[20] < 255).all(-1).sum())

    assert drawn(()) == 200
    assert 0.4 * 200 < drawn((5, 5)) < 0.6 * 200
