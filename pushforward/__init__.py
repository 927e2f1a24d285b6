"""Train generative models on your own data and serve them.

`pushforward.Client` and `pushforward.AsyncClient` speak to a service, `pushforward.models` is the library,
`pushforward.service` the service. The sources of the last two are the folders `models/` and `service/` of the
repository; the links beside this file give them one name to import (decision 35).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pushforward.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client"]


def __getattr__(name: str) -> Any:
    """The clients, imported at first use: the library and the service do without."""
    if name in __all__:
        from pushforward import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
