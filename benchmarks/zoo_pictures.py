"""One picture of a model, of what it answers through the APIs.

Vectors: samples over data, in the plane of their first two numbers (reconstructions, where a model draws none); of
points of the plane also a map of the density's square root, where the model tells one. Images: 64 samples, 32 pairs of
a held-out image above its reconstruction (16 above their patches and two wholes of these), eight walks between held-out
images (between samples, where the model does not encode). Translators: translations over data of the domain they go to,
or held-out images above themselves in each domain. What a model does not answer is left out; one that is told a
condition is told each in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import compress, product
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from asking import answered, conditions
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from shades import shades

from pushforward.models.data import Rows
from pushforward.models.data.captioned_digits import WORDS, captions
from pushforward.models.family import Completes, Translates
from pushforward.models.presets import Preset
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.spec.text import Text
from pushforward.models.training.data import load_data
from pushforward.service.client import Client
from pushforward.service.formats.png import png

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
POINTS = 2_500
SIDE_PX, CELLS = 400, 100  # of a panel of points; of its density map
GAP_PX, CAPTION_PX, MARGIN = 16, 28, 0.08  # the margin of its data, of their width
TILES = 8  # images in a row, and rows of them
DATA_SHADE, SAMPLE_COLOR = 170.0, np.array([196.0, 48.0, 32.0])
OPACITY = 0.55  # of one sample's point
RAMP = np.array([[255, 255, 255], [170, 205, 230], [66, 130, 190], [20, 50, 110], [10, 10, 40]], float)  # none to most


class Panel(NamedTuple):
    """A part of a picture, and what it shows."""

    caption: str
    image: Image.Image


class Subject(NamedTuple):
    """A model, and data like those it was trained on."""

    client: Client
    model: str
    able: list[str]
    preset: Preset
    spec: DataSpec
    rows: Rows  # held out

    def asked(self, op: str, field: str, rows: Rows, **body: NDArray[Any]) -> NDArray[np.float64]:
        return answered(self.client, op, field, self.model, **body, **conditions(self.preset.run.data, rows))


def draw(client: Client, preset: Preset, model: str, data_root: Path) -> Image.Image:
    data = load_data(preset.run, data_root)
    able = client.get(f"/models/{model}")["capabilities"]
    subject = Subject(client, model, able, preset, data.spec, data.validation)
    if "translate" in able:
        return side_by_side(list(turned(subject) if len(data.spec.shape) == 1 else restyled(subject)))
    return side_by_side(list(points(subject) if len(data.spec.shape) == 1 else images(subject)))


def side_by_side(panels: list[Panel]) -> Image.Image:
    """Each above its caption."""
    width = sum(panel.image.width + GAP_PX for panel in panels) - GAP_PX
    sheet = Image.new("RGB", (width, max(panel.image.height for panel in panels) + CAPTION_PX), "white")
    pen, font, left = ImageDraw.Draw(sheet), ImageFont.load_default(size=16), 0
    for panel in panels:
        sheet.paste(panel.image, (left, 0))
        middle = left + panel.image.width // 2, panel.image.height + CAPTION_PX // 2
        pen.text(middle, panel.caption, fill="black", font=font, anchor="mm")
        left += panel.image.width + GAP_PX
    return sheet


def points(subject: Subject) -> Iterator[Panel]:
    rows = subject.rows.of(np.arange(POINTS))
    corner, span = frame(rows.x)
    drawn = "sample" in subject.able
    answer = samples(subject, rows) if drawn else subject.asked("reconstruct", "x", rows, x=rows.x)
    caption = "samples over data" if drawn else "reconstructions over data"
    yield Panel(caption, over(rows.x, answer, corner, span))
    if "likelihood" in subject.able and subject.spec.shape == (2,):
        log_q, kind = log_density_map(subject, corner, span)
        share = shades(log_q)
        colors = np.stack([np.interp(share, np.linspace(0, 1, len(RAMP)), channel) for channel in RAMP.T], -1)
        image = Image.fromarray(colors.round().astype(np.uint8))
        yield Panel(f"density ({kind})", image.resize((SIDE_PX, SIDE_PX), Image.Resampling.NEAREST))


def over(data: NDArray[Any], answer: NDArray[np.float64], corner: NDArray[np.float64], span: float) -> Image.Image:
    """Answers over data, in a square of this corner and side."""
    canvas = np.full((SIDE_PX, SIDE_PX, 3), 255.0)
    canvas[cells(data, corner, span, SIDE_PX) > 0] = DATA_SHADE
    hits = cells(answer, corner, span, SIDE_PX)[..., None]
    canvas = SAMPLE_COLOR + (canvas - SAMPLE_COLOR) * (1 - OPACITY) ** hits
    return Image.fromarray(canvas.round().astype(np.uint8))


def turned(subject: Subject) -> Iterator[Panel]:
    """Translations of each domain to the next, over data that lie there."""
    rows = subject.rows.of(np.arange(POINTS))
    corner, span = frame(rows.x)
    for label, from_there in by_label(rows):
        other = (label + 1) % int(np.max(rows.y if rows.y is not None else 0) + 1)
        there = dict(by_label(rows))[other].x
        answer = translated(subject, from_there, np.full(len(from_there.x), other))
        yield Panel(f"{label} translated, over {other}", over(there, answer, corner, span))


def restyled(subject: Subject) -> Iterator[Panel]:
    """Held-out images of each domain, in a row, above their translations to every domain."""
    n = len(dict(by_label(subject.rows)))
    groups = TILES // (1 + n)
    for label, rows in by_label(subject.rows):
        lines = list[NDArray[Any]]()
        for few in (rows.of(np.arange(TILES * group, TILES * (group + 1))) for group in range(groups)):
            lines += [few.x, *(translated(subject, few, np.full(TILES, to)) for to in range(n))]
        lines += [np.full_like(few.x, subject.spec.low or 0)] * (TILES - len(lines))  # so that the grid is square
        caption = f"{label}, and as {', '.join(map(str, range(n)))}"
        yield Panel(caption, tiled(np.concatenate(lines).astype(np.float32), subject.spec))


def by_label(rows: Rows) -> Iterator[tuple[int, Rows]]:
    if rows.y is not None:
        for label in np.unique(rows.y):
            yield int(label), rows.of(np.flatnonzero(rows.y == label))


def translated(subject: Subject, rows: Rows, to: NDArray[np.int64]) -> NDArray[np.float64]:
    family = subject.preset.run.family
    is_told = isinstance(family, Translates) and family.needs_origin
    origin = conditions(subject.preset.run.data, rows) if is_told else {}
    return answered(subject.client, "translate", "x", subject.model, x=rows.x, to=to, **origin)


def frame(x: NDArray[Any]) -> tuple[NDArray[np.float64], float]:
    """The lower left corner and the side of a square around nearly all data."""
    low, high = np.quantile(x[:, :2], 0.001, axis=0), np.quantile(x[:, :2], 0.999, axis=0)
    span = float((high - low).max()) * (1 + 2 * MARGIN)
    return (low + high) / 2 - span / 2, span


def cells(x: NDArray[Any], corner: NDArray[np.float64], span: float, side: int) -> NDArray[np.float64]:
    """How many points touch each pixel, (side, side), y upward; a point is a cross of five."""
    count = np.zeros((side + 2, side + 2))
    column, row = np.floor((x[np.isfinite(x).all(1), :2] - corner) / span * side).astype(int).T
    seen = (column >= 0) & (column < side) & (row >= 0) & (row < side)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)):
        np.add.at(count, (side - row[seen] + dy, column[seen] + 1 + dx), 1)
    return count[1:-1, 1:-1]


def log_density_map(subject: Subject, corner: NDArray[np.float64], span: float) -> tuple[NDArray[np.float64], str]:
    """Log q in the middle of each cell, (CELLS, CELLS), y upward, -inf where there is none; and its kind.

    Of a model that is told a part, the mean over the parts: they are equally frequent.
    """
    at = (np.arange(CELLS) + 0.5) / CELLS * span
    x, y = np.meshgrid(corner[0] + at, corner[1] + at[::-1])
    grid = np.stack([x, y], -1).reshape(-1, 2).astype(np.float32)
    low, high = subject.spec.low, subject.spec.high
    inside = ((grid >= (-inf if low is None else low)) & (grid <= (inf if high is None else high))).all(1)
    n_parts = subject.spec.condition.n_classes if isinstance(subject.spec.condition, Labels) else 1
    log_q = np.full((n_parts, len(grid)), -np.inf)
    for part in range(n_parts):
        told = Rows(grid[inside], np.full(inside.sum(), part))
        log_q[part, inside] = np.nan_to_num(subject.asked("likelihood", "log_prob", told, x=told.x), nan=-np.inf)
    first = {
        "model": subject.model,
        "x": grid[inside][:1],
        **conditions(subject.preset.run.data, told.of(np.arange(1))),
    }
    kind = str(subject.client.ask("likelihood", first).json()["kind"]).replace("_", " ")
    return np.logaddexp.reduce(log_q).reshape(CELLS, CELLS), kind


def samples(subject: Subject, like: Rows) -> NDArray[np.float64]:
    """As many as these rows, told what they are told."""
    body = {"model": subject.model, "n": len(like.x), "seed": 0, **conditions(subject.preset.run.data, like)}
    return np.asarray(subject.client.ask("sample", body).json()["samples"], np.float64)


def images(subject: Subject) -> Iterator[Panel]:
    if "sample" in subject.able:
        yield Panel("samples", tiled(samples(subject, in_turn(subject)), subject.spec))
    if "reconstruct" in subject.able:
        rows = subject.rows.of(np.arange(TILES * TILES // 2))
        again = subject.asked("reconstruct", "x", rows, x=rows.x)
        pairs = np.stack([halves.reshape(-1, TILES, *subject.spec.shape) for halves in (rows.x, again)], 1)
        yield Panel("held out, and reconstructed", tiled(pairs.reshape(-1, *subject.spec.shape), subject.spec))
    if "complete" in subject.able:
        yield Panel("held out, its patches, completed twice", tiled(completed(subject), subject.spec))
    if "interpolate" in subject.able:
        yield Panel("interpolations", tiled(np.concatenate(list(walks(subject))), subject.spec))


def completed(subject: Subject) -> NDArray[np.float64]:
    """Held-out images in rows of TILES, below them what is shown of each, and what is made of it by two seeds."""
    family = subject.preset.run.family
    if not isinstance(family, Completes):
        raise TypeError(f"{family.family} completes nothing")
    count, _, side, _ = family.patches_shape(subject.spec)
    x, rng = subject.rows.x[: TILES**2 // 4].astype(np.float32), np.random.default_rng(0)
    mask = np.zeros((len(x), *subject.spec.shape[1:]), np.float32)
    for row in mask:
        for i, j in rng.integers(0, [extent - side + 1 for extent in row.shape], (count, 2)):
            row[i : i + side, j : j + side] = 1
    body = {"model": subject.model, "x": x, "mask": mask}
    made = [np.asarray(subject.client.ask("complete", body | {"seed": seed}).json()["x"]) for seed in (0, 1)]
    four = np.stack([each.reshape(-1, TILES, *subject.spec.shape) for each in (x, x * mask[:, None], *made)], 1)
    return four.reshape(-1, *subject.spec.shape)


def in_turn(subject: Subject) -> Rows:
    """As many rows as tiles; where a model is told labels, one for each column; of captions, attributes by row."""
    rows, condition = subject.rows.of(np.arange(TILES**2)), subject.spec.condition
    if isinstance(condition, Text):
        sets = [tuple(compress(WORDS, has)) for has in product((False, True), repeat=len(WORDS))]
        texts = [captions(digit, attributes)[0] for attributes in sets for digit in range(TILES)]
        return rows._replace(c=condition.read(np.array(texts)))
    if isinstance(condition, Labels):
        return rows._replace(y=np.tile(np.arange(TILES), TILES) % condition.n_classes)
    return rows


def walks(subject: Subject) -> Iterator[NDArray[np.float64]]:
    """TILES steps each, between two held-out images of one label, or between two samples."""
    for first in range(TILES):
        start = subject.rows.of(np.arange(first, first + 1))
        body: dict[str, Any] = {"model": subject.model, "steps": TILES}
        if "encode" in subject.able:
            body |= {"start": start.x[0], "end": other(subject, first)}
        else:
            body |= {"start_seed": 2 * first, "end_seed": 2 * first + 1}
        told = conditions(subject.preset.run.data, start)  # one, of all steps
        yield np.asarray(subject.client.ask("interpolate", body | told).json()["x"], np.float64)


def other(subject: Subject, first: int) -> NDArray[Any]:
    """Another row, of the same label where a model is told labels: a walk has one condition."""
    rows = subject.rows
    if subject.spec.condition is None or rows.y is None:
        end: NDArray[Any] = rows.x[first + TILES]
        return end
    alike = np.flatnonzero(rows.y == rows.y[first])
    another: NDArray[Any] = rows.of(alike[alike > first]).x[0]
    return another


def tiled(x: NDArray[Any], spec: DataSpec) -> Image.Image:
    """TILES in a row, as the APIs draw them, enlarged where that is small."""
    sheet = Image.open(BytesIO(png(x, spec))).convert("RGB")
    factor = max(1, round(SIDE_PX / sheet.width))
    return sheet.resize((factor * sheet.width, factor * sheet.height), Image.Resampling.NEAREST)
