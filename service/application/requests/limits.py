"""How many rows a request may have: in one reply, in a stream, with previews, in a file. Most raise Invalid."""

from __future__ import annotations

from math import isqrt, prod

from pushforward.models.data.tables.media_types import CSV
from pushforward.models.data.tables.media_types import MEDIA_TYPES as TABLE_TYPES
from pushforward.models.spec.data_spec import Shape
from pushforward.service.application.commands.commands import (
    AnyAsk,
    Complete,
    Decode,
    Encode,
    Interpolate,
    Likelihood,
    Reconstruct,
    Sample,
    Score,
    Translate,
)
from pushforward.service.domain.catalog import Card
from pushforward.service.domain.errors import Invalid, NotAcceptable, Remedy
from pushforward.service.domain.jobs import NPY
from pushforward.service.settings import Settings

MAX_PREVIEW_ROWS = 64  # of a sample with previews, because it is sent many times


def check_reply(ask: AnyAsk, card: Card, settings: Settings) -> None:
    """A request with one reply."""
    match ask:
        case Sample():
            _refuse_previews(ask)
            _check("n", ask.n, card.spec.shape, settings, more=_more(ask, settings))
        case Interpolate():
            _check("steps", ask.steps, card.spec.shape, settings)
        case Decode():
            _check("z", len(ask.z), card.spec.shape, settings)
        case Encode():
            _check("x", len(ask.rows), card.latent_shape or (1,), settings)
        case Reconstruct():
            _check("x", len(ask.rows), card.spec.shape, settings)
        case Translate():
            _check("x", len(ask.x), card.spec.shape, settings)
        case Complete():
            if ask.records is None:
                _check(*ask.rows, card.spec.shape, settings)
        case Likelihood() | Score():
            _check("x", len(ask.rows), (1,), settings)


def check_rows(field: str, rows: int, card: Card, settings: Settings) -> None:
    """Rows whose number is known when they are read."""
    _check(field, rows, card.spec.shape, settings)


def check_grid(n: int, settings: Settings) -> None:
    """A grid of n x n cells."""
    most = isqrt(min(settings.max_rows, settings.max_values))
    if n > most:
        raise Invalid.field("grid", f"asks for {n * n} cells; at most {most} along each axis, so ask in parts")


def check_parts(ask: Sample, settings: Settings) -> None:
    """A sample that is sent in parts."""
    _refuse_previews(ask)
    if ask.n > settings.max_stream_rows:
        message = f"asks for {ask.n} rows; at most {settings.max_stream_rows} in one stream"
        raise Invalid.field("n", message, remedy=Remedy("file"))


def check_previews(ask: Sample, card: Card, settings: Settings) -> None:
    """A sample that is sent with previews, where it has `preview_every`."""
    if ask.preview_every is not None and ask.n > MAX_PREVIEW_ROWS:
        raise Invalid.field("n", f"asks for {ask.n} rows; at most {MAX_PREVIEW_ROWS} with preview_every")
    _check("n", ask.n, card.spec.shape, settings, more=_more(ask, settings))


def check_file(ask: Sample, card: Card, settings: Settings) -> None:
    """A sample that a job draws into a file."""
    _refuse_previews(ask)
    if ask.deadline_ms is not None:
        raise Invalid.field("deadline_ms", "is of answers that are waited for; leave it out, and cancel the job")
    most = min(settings.max_file_rows, settings.max_file_bytes // card.spec.row_bytes)
    if ask.n > most:
        raise Invalid.field("n", f"asks for {ask.n} rows; at most {most} of this model in one file")


def file_type(media_type: str | None, card: Card) -> str:
    """The format of a file of samples: csv of a table and npy of other rows, unless asked. Raises NotAcceptable."""
    if media_type is None:
        return NPY if card.spec.table is None else CSV
    if media_type not in (NPY, *TABLE_TYPES):
        raise NotAcceptable(f"no file is {media_type[:100]}; accept one of {', '.join((NPY, *TABLE_TYPES))}")
    if media_type != NPY and card.spec.table is None:
        raise NotAcceptable(
            f"{media_type} is for rows of tables, and {card.model} models none; accept application/x-npy"
        )
    return media_type


def _check(field: str, rows: int, shape: Shape, settings: Settings, *, more: Remedy | None = None) -> None:
    """Refuse a reply of too many rows or values; `more` is how to get them nevertheless."""
    most = min(settings.max_rows, settings.max_values // prod(shape))
    if rows > most:
        message = f"asks for {rows} rows; at most {most} of this model at once"
        raise Invalid.field(field, message if more else f"{message}, so ask in parts", remedy=more)


def _refuse_previews(ask: Sample) -> None:
    if ask.preview_every is not None:
        raise Invalid.field("preview_every", "needs a reply of many parts", remedy=Remedy("preview"))


def _more(ask: Sample, settings: Settings) -> Remedy | None:
    """How to get more rows than fit into one reply; those that fulfil something come in no other way."""
    if ask.where is not None:
        return None
    most = settings.max_stream_rows
    return Remedy("stream", most) if ask.n <= most else Remedy("file")
