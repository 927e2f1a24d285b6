"""The formats of files that clients upload, told by their first bytes.

A media type is a claim of the client. It is checked before a file is kept, so that a training does not find out.

References:
    | npy: numpy.lib.format; tables: models.data.tables.media_types
    | IDX: the page of MNIST (LeCun, Cortes & Burges, 1998)
"""

from __future__ import annotations

import codecs
import re

from pushforward.models.data.tables.media_types import CSV, STARTS
from pushforward.service.domain.errors import UnsupportedMedia

HEAD_BYTES = 64 * 2**10  # that are looked at

IDX = "application/x-idx"
_SIGNATURES: dict[str, re.Pattern[bytes]] = {
    **{media_type: re.compile(re.escape(start)) for media_type, start in STARTS.items()},
    "application/x-npy": re.compile(rb"\x93NUMPY"),
    "application/x-npz": re.compile(rb"PK\x03\x04"),
    "application/zip": re.compile(rb"PK\x03\x04"),
    IDX: re.compile(rb"\x00\x00[\x08\x09\x0b-\x0e][\x01-\x08]"),  # the type of the elements, how many axes
}
MEDIA_TYPES = (CSV, *_SIGNATURES)
_ALIASES = {"application/octet-stream": IDX}  # IDX has no registered type
ACCEPTED = (*MEDIA_TYPES, *_ALIASES)


def known_media_type(told: str) -> str:
    """The media type that a client told, as it is recorded. Raises UnsupportedMedia."""
    media_type = _ALIASES.get(told, told)
    if media_type not in MEDIA_TYPES:
        raise UnsupportedMedia(f"the media type is {told[:100] or 'missing'}; send one of {', '.join(MEDIA_TYPES)}")
    return media_type


def check_head(media_type: str, head: bytes, *, is_whole: bool) -> None:
    """Refuse a file that does not begin as its media type says; `is_whole`: it goes on after `head`, or not.

    Raises UnsupportedMedia.
    """
    if media_type == CSV:
        _check_text(head, is_whole)
    elif not _SIGNATURES[media_type].match(head):
        raise _unlike(media_type, head)


def _check_text(head: bytes, is_whole: bool) -> None:
    if b"\0" in head:
        raise _unlike(CSV, head)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, is_whole)
    except UnicodeDecodeError as error:
        raise UnsupportedMedia(f"the text is not UTF-8 at byte {error.start}; save it as UTF-8") from error


def _unlike(media_type: str, head: bytes) -> UnsupportedMedia:
    others = [name for name, signature in _SIGNATURES.items() if signature.match(head)]
    if head[:2] == b"\x1f\x8b":
        remedy = "it is compressed by gzip: send it inflated"
    elif others:
        remedy = f"its first bytes are those of {' or '.join(others)}: send it as that"
    else:
        remedy = "send it as what it is, or save it again"
    return UnsupportedMedia(f"the bytes do not begin as {media_type} does; {remedy}")
