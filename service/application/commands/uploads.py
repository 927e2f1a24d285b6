"""The command of an upload: all that is known of it before its bytes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from pushforward.service.application.commands.asks import Command
from pushforward.service.domain.catalog import DIGEST_PATTERN, PRESENT_PATTERN, Name


class PutDataset(Command):
    """Keep a file under a name."""

    name: Name
    """Name of the dataset."""
    media_type: str
    """Format of the file, such as text/csv."""
    bytes: Annotated[int, Field(ge=0)] | None = None
    """Size of the file, where the client says it beforehand."""
    sha256: Annotated[str, Field(pattern=DIGEST_PATTERN)] | None = None
    """Digest of the file, which is compared with what came."""
    if_match: Annotated[str, Field(pattern=PRESENT_PATTERN)] | None = None
    """Digest of the present file of this name, to replace it; `*` for any; left out: nothing is replaced."""


class OutlineDataset(Command):
    """What a dataset would be as data of a run."""

    data: dict[str, Any] = Field(default_factory=dict)
    """Fields of the source that is to read it, as in a run; `source` itself is told by the format."""
