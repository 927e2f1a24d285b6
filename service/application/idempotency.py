"""Idempotency keys: the same key gives the same job, and belongs to one request."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import orjson

from pushforward.models.run import Run
from pushforward.service.application.commands.commands import TrainModel
from pushforward.service.domain.errors import Invalid

MAX_KEY_CHARS = 255


def check_key(idempotency_key: str | None) -> None:
    """Raises Invalid."""
    if idempotency_key is not None and not 0 < len(idempotency_key) <= MAX_KEY_CHARS:
        raise Invalid.field("idempotency_key", f"must have 1 to {MAX_KEY_CHARS} characters")


def of_training(command: TrainModel, asked: Run) -> str:
    """The digest of a training. A start may be a name, whose newest version is another at the next request."""
    searched = () if command.sweep is None else (command.sweep.model_dump(mode="json"),)
    if asked.start_from is None:
        request = (command.model, command.preset, asked.model_dump(mode="json"), *searched)
        return fingerprint(*request, priority=command.priority)
    sent = command.run
    run = sent.model_dump(mode="json") if isinstance(sent, Run) else None if sent is None else dict(sent.fields)
    return fingerprint(command.model, command.preset, command.start_from, run, *searched, priority=command.priority)


def fingerprint(*request: Any, priority: int) -> str:
    """The digest of a request. A priority of 0 is as none."""
    ranked = (*request, priority) if priority else request
    return sha256(orjson.dumps(ranked, option=orjson.OPT_SORT_KEYS)).hexdigest()
