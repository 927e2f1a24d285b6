"""A listener whose thread is that of the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pushforward.service.settings import Settings
from pushforward.service.worker.listener import Listener
from pushforward.service.worker.sender import Sender


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Its thread is that of the test. It beats so rarely that a test need not reckon with it."""
    sender = Sender(60.0, float)
    listener = Listener(Settings(), "w", sender)
    sender.start()
    yield listener
    listener.close()
    sender.stop()
