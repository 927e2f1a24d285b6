"""The media types of responses, and the choice among them by `Accept`."""

from __future__ import annotations

from functools import lru_cache

from pushforward.models.data.tables.media_types import MEDIA_TYPES as TABLE_TYPES
from pushforward.service.domain.errors import NotAcceptable
from pushforward.service.formats import npy, png
from pushforward.service.formats.charts import svg
from pushforward.service.rest import sse

JSON = "application/json"
OFFERS = (JSON, npy.MEDIA_TYPE, png.MEDIA_TYPE, svg.MEDIA_TYPE, *TABLE_TYPES)  # of equal preference, the first is taken
SAMPLE_OFFERS = (*OFFERS, sse.MEDIA_TYPE)
CHART_OFFERS = (JSON, png.MEDIA_TYPE, svg.MEDIA_TYPE)


@lru_cache(maxsize=256)
def choose(accept: str | None, offers: tuple[str, ...] = OFFERS) -> str:
    """The media type of the response, by the client's preferences. Raises NotAcceptable."""
    if accept is None:
        return offers[0]
    wanted = [_preference(part) for part in accept.split(",")]

    def quality(offer: str) -> tuple[float, bool]:
        kind = offer.partition("/")[0]
        for pattern in (offer, f"{kind}/*", "*/*"):
            qualities = [q for name, q in wanted if name == pattern]
            if qualities:
                return max(qualities), pattern == offer
        return 0.0, False

    best = max(offers, key=quality)
    if quality(best)[0] <= 0:
        raise NotAcceptable(f"the answer can be {', '.join(offers)}; accept one of them")
    return best


def _preference(part: str) -> tuple[str, float]:
    """One entry of an Accept header: its media range and its quality, 0 where unreadable."""
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0
