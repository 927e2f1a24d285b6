"""A typed client of the service, for asyncio and without. It needs httpx and NumPy, and imports them at first use.

with Client("http://127.0.0.1:8000") as client:
    job = client.jobs.wait(client.train("digits", preset="vae-digits").id)
    model = client.model(job.reference)
    x = model.sample(16, seed=0).x
    scores = model.log_prob(x)

Its errors are in `pushforward.client.errors`, its answers in `pushforward.client.answers`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pushforward.client.aio.client import AsyncClient
    from pushforward.client.sync.client import Client

__all__ = ["AsyncClient", "Client"]


def __getattr__(name: str) -> Any:
    """Each client is imported at first use: the one without asyncio does without it."""
    if name == "AsyncClient":
        from pushforward.client.aio.client import AsyncClient

        return AsyncClient
    if name == "Client":
        from pushforward.client.sync.client import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
