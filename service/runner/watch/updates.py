"""The updates of a job that wait for its record."""

from __future__ import annotations

from collections import deque
from typing import final

from pushforward.service.domain.ports import Update

MOST = 500  # kept while Redis does not answer; the oldest are dropped


@final
class PendingUpdates:
    """In their order. Of pictures of a kind only the newest: they are large, and an older one is of less use."""

    def __init__(self) -> None:
        self._updates = deque[Update](maxlen=MOST)

    def add(self, update: Update) -> None:
        """Let one more wait."""
        if update.kind == "picture":
            others = [other for other in self._updates if not _is_older(other, update)]
            self._updates = deque(others, maxlen=MOST)
        self._updates.append(update)

    def all(self) -> tuple[Update, ...]:
        """Those that wait."""
        return tuple(self._updates)

    def clear(self) -> None:
        """They were recorded."""
        self._updates.clear()


def _is_older(other: Update, picture: Update) -> bool:
    return other.kind == "picture" and other.data["what"] == picture.data["what"]
