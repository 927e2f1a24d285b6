"""Server-Sent Events, line by line."""

from __future__ import annotations

import json
from typing import final

from pushforward.client.answers import Event

HEARTBEAT = "alive"


@final
class EventLines:
    """Makes events of the lines of a text/event-stream; a comment is a heartbeat."""

    def __init__(self) -> None:
        self._id, self._kind, self._data = "", "message", ""

    def event(self, line: str) -> Event | None:
        """The event that ends with this line."""
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "id":
                self._id = value
            case "event":
                self._kind = value
            case "data":
                self._data += value
            case "" if line:
                return Event(self._id, HEARTBEAT, {})
            case "" if self._data:
                made = Event(self._id, self._kind, json.loads(self._data))
                self._kind, self._data = "message", ""
                return made
        return None
