"""The client: trainings, evaluations, models, jobs, datasets."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, final

from pushforward.client.aio.connection import AsyncConnection
from pushforward.client.aio.datasets import AsyncDatasets
from pushforward.client.aio.jobs import AsyncJobs
from pushforward.client.aio.model import AsyncModel
from pushforward.client.aio.models import AsyncModels
from pushforward.client.answers import Family, Health, Job, Plan, Preset, read
from pushforward.client.bodies import Request, given, with_json
from pushforward.client.retries import Retries, new_key

if TYPE_CHECKING:
    import httpx

LOCAL = "http://127.0.0.1:8000"


@final
class AsyncClient:
    """A client of one service; close it, or use it as a context manager.

    `url` and `api_key` default to PUSHFORWARD_URL and PUSHFORWARD_API_KEY. A request is sent again up to `max_retries`
    times, within `timeout_s`, where nothing answers or the service is overloaded; `Retry-After` is honored.
    `http_client` is one of yours, with its own proxies and certificates; it is not closed.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        max_retries: int = 2,
        headers: Mapping[str, str] | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        self._connection = AsyncConnection(
            url or os.environ.get("PUSHFORWARD_URL") or LOCAL,
            api_key=api_key or os.environ.get("PUSHFORWARD_API_KEY") or None,
            timeout_s=timeout_s,
            retries=Retries(max_retries),
            headers=headers or {},
            http_client=http_client,
        )
        self.jobs = AsyncJobs(self._connection)
        self.models = AsyncModels(self._connection)
        self.datasets = AsyncDatasets(self._connection)

    @property
    def url(self) -> str:
        """The address of the service."""
        return self._connection.url

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.url}>"  # and not of the key

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connection.aclose()

    async def model(self, reference: str) -> AsyncModel:
        """A model to ask: `name`, whose newest version is pinned, or `name@3`. Raises NotFound."""
        return AsyncModel(self._connection, await self.models.get(reference))

    async def train(
        self,
        model: str,
        *,
        preset: str | None = None,
        start_from: str | None = None,
        run: Mapping[str, Any] | None = None,
        sweep: Mapping[str, Any] | None = None,
        priority: int | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Start a training of a preset, a run, or a preset with fields of `run` changed.

        With `start_from` ("digits-vae@3", or "job:" and an id) it goes on from what that training left. With `sweep`
        ({"fields": {"optimizer.lr": [0.01, 0.001]}}) it trains once for each of several values.
        """
        body = _training(model, preset, start_from, run, sweep) | given({"priority": priority})
        return await self._started("/train", body, idempotency_key)

    async def plan(
        self,
        model: str,
        *,
        preset: str | None = None,
        start_from: str | None = None,
        run: Mapping[str, Any] | None = None,
        sweep: Mapping[str, Any] | None = None,
    ) -> Plan:
        """What `train` would do, with its parameters, memory and seconds as measured; nothing is started."""
        body = _training(model, preset, start_from, run, sweep)
        request = with_json("POST", "/train", body)
        dry = Request(request.method, request.path, {"dry_run": "true"}, request.content, request.headers)
        return read(Plan, await self._connection.json(dry))

    async def evaluate(
        self,
        model: str,
        *,
        against: Mapping[str, Any] | str | None = None,
        metrics: Sequence[str] | None = None,
        target: str | None = None,
        n: int | None = None,
        seed: int | None = None,
        priority: int | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Start a comparison of samples with rows of data; its report is then on the model's card."""
        asked = {"against": against, "metrics": metrics, "target": target, "n": n, "seed": seed, "priority": priority}
        return await self._started("/evaluate", {"model": model, **given(asked)}, idempotency_key)

    async def families(self) -> list[Family]:
        """What can be trained."""
        answer = await self._connection.json(Request("GET", "/families"))
        return [read(Family, each) for each in answer["families"]]

    async def presets(self) -> list[Preset]:
        """Runs by name."""
        answer = await self._connection.json(Request("GET", "/presets"))
        return [read(Preset, each) for each in answer["presets"]]

    async def is_alive(self) -> bool:
        """Whether a gateway answers."""
        alive: bool = (await self._connection.json(Request("GET", "/livez")))["status"] == "alive"
        return alive

    async def health(self) -> Health:
        """Whether requests are taken, and by which workers. Raises Unavailable where none is there."""
        return read(Health, await self._connection.json(Request("GET", "/readyz")))

    async def metrics(self) -> str:
        """What Prometheus reads."""
        return (await self._connection.send(Request("GET", "/metrics"))).text

    async def _started(self, path: str, body: Mapping[str, Any], idempotency_key: str | None) -> Job:
        headers = {"Idempotency-Key": idempotency_key or new_key()}
        return read(Job, await self._connection.json(with_json("POST", path, body, headers=headers)))


def _training(
    model: str,
    preset: str | None,
    start_from: str | None,
    run: Mapping[str, Any] | None,
    sweep: Mapping[str, Any] | None,
) -> dict[str, Any]:
    return {"model": model, **given({"preset": preset, "start_from": start_from, "run": run, "sweep": sweep})}
