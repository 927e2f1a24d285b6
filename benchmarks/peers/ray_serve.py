"""Ray Serve, batching with `@serve.batch`. Settings: BATCH requests at most, WAIT_MS for them; HAProxy by its own."""

import os
import signal
import threading
from typing import Any

import ray
from decoder import body, load, sample
from ray import serve
from starlette.requests import Request
from starlette.responses import Response


@serve.deployment(num_replicas=1, max_ongoing_requests=1000, ray_actor_options={"num_cpus": 1})
class Decoder:
    """Samples rows."""

    def __init__(self) -> None:
        self.net = load()

    @serve.batch(max_batch_size=int(os.environ["BATCH"]), batch_wait_timeout_s=float(os.environ["WAIT_MS"]) / 1000)
    async def samples(self, counts: list[int]) -> list[bytes]:
        return [body(rows) for rows in sample(self.net, sum(counts)).split(counts)]

    async def __call__(self, request: Request) -> Response:
        ask: dict[str, Any] = await request.json()
        return Response(await self.samples(ask["n"]), media_type="application/json")


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    serve.run(Decoder.bind(), route_prefix="/sample")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())  # Ray has put its own there
    ended.wait()
    serve.shutdown()
    ray.shutdown()
