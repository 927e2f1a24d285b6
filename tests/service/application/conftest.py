"""An application whose workers are recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from pushforward.models.data import TwoMoons
from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.application.application import Application
from pushforward.service.domain.errors import ServiceError
from pushforward.service.domain.forecasts import Forecast
from pushforward.service.domain.inference import InferenceRequest, Preview, Reply, Timing
from pushforward.service.settings import Settings
from tests.apis.fakes import MOONS, application, card

SPEC = DataSpec(shape=(1, 2, 2), low=0, high=16, levels=17, shift=(8.0,), scale=(8.0,))
CARDS = [card("moons", MOONS, TwoMoons().spec), card("images", MOONS, SPEC)]

FORESEEN = Forecast(
    n_parameters=1_000,
    batch_size=128,
    total_steps=2_000,
    step_ms=2.0,
    rows_per_s=64_000.0,
    seconds=4.0,
    memory_bytes=2**29,
    free_bytes=2**33,
    device="cpu",
    torch_threads=1,
)


@dataclass
class Recorded:
    """`ports.Asks` that keeps the requests and gives one reply."""

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    requests: list[tuple[InferenceRequest, float]] = field(default_factory=list)
    error: ServiceError | None = None  # raised in place of a reply

    async def ask(self, request: InferenceRequest, *, timeout_s: float) -> Reply:
        self.requests.append((request, timeout_s))
        if self.error is not None:
            raise self.error
        timing = Timing(linger_ms=0.5, queue_ms=1.0, compute_ms=2.0, total_ms=3.5, batch_rows=3)
        info = FORESEEN.model_dump() if request.op == "forecast" else {"kind": "lower_bound"}
        return Reply(self.arrays, info, timing)

    async def watch(self, request: InferenceRequest, *, timeout_s: float) -> AsyncIterator[Preview | Reply]:
        yield await self.ask(request, timeout_s=timeout_s)


@pytest.fixture
def asks() -> Recorded:
    return Recorded({"samples": np.zeros((1, 2), np.float32), "x": np.zeros((8, 2), np.float32)})


@pytest.fixture
def app(asks: Recorded, tmp_path: Path) -> Application:
    return application(Settings(data_root=tmp_path, ask_timeout_s=5.0), CARDS, asks)
