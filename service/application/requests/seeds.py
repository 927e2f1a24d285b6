"""Seeds of samples."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import numpy as np

from pushforward.service.application.commands.commands import Sample

SEEDS = 512  # made at a time
SEED_LIMIT_BITS = 53  # of a seed that we choose: JSON readers keep integers exactly up to 2**53


def seed_of(ask: Sample) -> int:
    """The seed of the request, or else a random one."""
    return next(_seeds) if ask.seed is None else ask.seed


def _random_seeds() -> Iterator[int]:
    """Seeds of the system's random numbers, read many at a time: a call of the system for each takes longer."""
    while True:
        numbers = np.frombuffer(secrets.token_bytes(8 * SEEDS), "<u8") >> np.uint64(64 - SEED_LIMIT_BITS)
        yield from numbers.tolist()


_seeds = _random_seeds()
