"""HTTP requests, whose failures are `Refused` and `Unreachable`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, final

import httpx

from pushforward.client.bodies import as_json
from pushforward.service.client.errors import Refused, Unreachable


@final
class ServiceConnection:
    """A pool of connections to one service."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self.url = url
        try:
            self.http = httpx.Client(base_url=url, timeout=timeout_s)
        except httpx.InvalidURL as error:
            raise Unreachable(f"{url!r} is not an address: {error}") from error

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        content: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        """The response, within `timeout_s` or what the connection has. Raises Refused, Unreachable."""
        timeout = httpx.USE_CLIENT_DEFAULT if timeout_s is None else timeout_s
        with self.reaching(method, path):
            response = self.http.request(method, path, params=params, content=content, headers=headers, timeout=timeout)
        return accepted(response)

    def post(self, path: str, body: Any = None, *, headers: Mapping[str, str] = {}) -> httpx.Response:
        """The response to a JSON body, or to none. Raises Refused, Unreachable."""
        content = b"" if body is None else dumps(body)
        return self.request("POST", path, content=content, headers={"Content-Type": "application/json", **headers})

    @contextmanager
    def reaching(self, method: str, path: str) -> Iterator[None]:
        """Raises Unreachable where the connection fails within."""
        try:
            yield
        except (httpx.ReadTimeout, httpx.WriteTimeout) as error:
            raise Unreachable(f"{self.url} did not answer {method} {path} in time") from error
        except httpx.TransportError as error:
            raise Unreachable(
                f"nothing answers at {self.url} ({error}); start the service with `pushforward up`, or give its --url"
            ) from error


def accepted(response: httpx.Response) -> httpx.Response:
    """The same response. Raises Refused where it is an error."""
    if response.is_error:
        response.read()
        raise Refused(_problem(response))
    return response


def dumps(body: Any) -> bytes:
    """JSON, with arrays as lists. Raises Refused, before anything is sent, for a value that JSON cannot hold."""
    try:
        return as_json(body)
    except (TypeError, ValueError) as error:
        raise Refused({"status": 400, "detail": f"the request cannot be written as JSON: {error}"}) from error


def _problem(response: httpx.Response) -> Mapping[str, Any]:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict):
        return problem
    return {"status": response.status_code, "detail": f"{response.status_code} {response.reason_phrase}"}
