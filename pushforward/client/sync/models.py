"""Trained models: listed, shown, deleted."""

from __future__ import annotations

from typing import TypeAlias, final

from pushforward.client.answers import Histogram, ModelCard, read
from pushforward.client.bodies import PNG, SVG, Request, given, segment
from pushforward.client.sync.connection import Connection

References: TypeAlias = list[str]


@final
class Models:
    """The models of a service."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, *, model: str | None = None) -> list[ModelCard]:
        """The newest version of each model, or all versions of one. Raises PushforwardError, as all methods do."""
        answer = self._connection.json(Request("GET", "/models", given({"model": model})))
        return [read(ModelCard, each) for each in answer["models"]]

    def get(self, reference: str) -> ModelCard:
        """The card of `name`, its newest version, or of `name@3`."""
        return read(ModelCard, self._connection.json(Request("GET", f"/models/{segment(reference)}")))

    def delete(self, reference: str) -> References:
        """Delete a version, or with `name` all of them; returns what was deleted."""
        deleted: References = (self._connection.json(Request("DELETE", f"/models/{segment(reference)}")))["deleted"]
        return deleted

    def histogram(self, reference: str) -> Histogram:
        """How the scores of its held-out rows are distributed."""
        return read(Histogram, self._connection.json(Request("GET", f"/models/{segment(reference)}/histogram")))

    def draw_histogram(self, reference: str, *, svg: bool = False) -> bytes:
        """The histogram as a PNG, or as SVG."""
        headers = {"Accept": SVG if svg else PNG}
        return (
            self._connection.send(Request("GET", f"/models/{segment(reference)}/histogram", headers=headers))
        ).content
