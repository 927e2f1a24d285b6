"""Requests to fake workers, and their answers."""

from __future__ import annotations

import asyncio

from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.dispatch.messages import Requests
from pushforward.service.domain.inference import InferenceRequest
from tests.service.dispatch.fake_worker import Said, answers
from tests.service.models_on_disk import MOONS


def sample(rows: int = 1, seed: int = 1, model: str = MOONS) -> InferenceRequest:
    return InferenceRequest(model, "sample", rows, seed)


def answer(frame: Requests) -> Said:
    return answers(frame.requests)


async def until_joined(asks: Dispatcher, n: int) -> None:
    """Wait until so many workers take requests."""
    async with asyncio.timeout(20):
        while len(asks._roster.taking) < n:
            await asyncio.sleep(0.01)
