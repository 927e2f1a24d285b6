"""Both APIs over one application, on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
import torch

from pushforward.models.families import FAMILIES
from pushforward.service.application.application import Application
from pushforward.service.rest.app import create
from pushforward.service.rpc.pb import pushforward_pb2_grpc as pb_grpc
from pushforward.service.rpc.server import GrpcServer
from pushforward.service.settings import Settings
from pushforward.service.telemetry.gateway import Telemetry
from pushforward.service.telemetry.measured import MeasuredAsks
from tests.apis.fakes import Workers, application
from tests.apis.in_process import InProcessAsks, models
from tests.apis.shifted import Shifted

torch.set_num_threads(1)


@dataclass(repr=False)  # asyncio prints what a fixture yields while it asks for a signal's handler: milliseconds each
class Apis:
    """One application, seen through both apis."""

    application: Application
    asks: InProcessAsks
    workers: Workers
    rest: httpx.AsyncClient
    channel: grpc.aio.Channel
    stub: pb_grpc.PushforwardAsyncStub
    closing: asyncio.Event


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    root = tmp_path / "data"
    root.mkdir()
    np.save(root / "rows.npy", np.zeros((20, 2), np.float32))
    np.save(tmp_path / "outside.npy", np.zeros((20, 2), np.float32))
    return Settings(
        data_root=root,
        store=tmp_path / "store",
        grpc_port=0,
        max_rows=500,
        max_values=10_000,
        max_body_bytes=100_000,
        ask_timeout_s=5,
    )


@pytest.fixture(autouse=True)
def _shifted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "shifted", Shifted)


@pytest.fixture
async def apis(settings: Settings) -> AsyncIterator[Apis]:
    telemetry, closing = Telemetry(), asyncio.Event()
    kept = {model.card.model: model for model in models()}
    asks = InProcessAsks(kept)
    behind = application(settings, [model.card for model in kept.values()], MeasuredAsks(asks, telemetry))
    assert isinstance(behind.catalog.workers, Workers)
    rpc = GrpcServer(behind, telemetry, closing)
    await rpc.open()
    transport = httpx.ASGITransport(create(behind, telemetry, closing), raise_app_exceptions=False)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as rest,
        grpc.aio.insecure_channel(f"127.0.0.1:{rpc.port}") as channel,
    ):
        yield Apis(behind, asks, behind.catalog.workers, rest, channel, pb_grpc.PushforwardStub(channel), closing)
    await rpc.close(0)
