"""HTTP requests within a time, sent again where that is safe; failures are the client's errors.

httpx is imported with the first connection: it takes longer than all else.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, final

from pushforward.client.bodies import Request
from pushforward.client.errors import (
    APIError,
    BrokenAnswer,
    NotFound,
    PushforwardError,
    RequestTimeout,
    Unreachable,
    refusal,
)
from pushforward.client.files import whole_file
from pushforward.client.retries import RETRIED, Retries, told_s

if TYPE_CHECKING:
    import httpx

UPLOADED_S = 600.0  # the service writes a file to its disk before it answers


@final
class Connection:
    """A pool of connections to one service."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None,
        timeout_s: float,
        retries: Retries,
        headers: Mapping[str, str],
        http_client: httpx.Client | None,
    ) -> None:
        import httpx

        self.url = url if "://" in url else f"http://{url}"
        self.timeout_s = timeout_s
        self._retries = retries
        self._headers = {"User-Agent": _agent(), **headers}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._is_ours = http_client is None
        self.http = http_client or httpx.Client(timeout=timeout_s)

    def close(self) -> None:
        """Close the pool, unless it was given."""
        if self._is_ours:
            self.http.close()

    def send(self, request: Request) -> httpx.Response:
        """The whole answer. Raises PushforwardError."""
        until, tries = monotonic() + self.timeout_s, 0
        while True:
            tries += 1
            try:
                return self._once(request, until)
            except (Unreachable, BrokenAnswer, APIError) as error:
                import httpx

                if isinstance(error, NotFound) and request.method == "DELETE" and tries > 1:
                    return httpx.Response(200, json={"deleted": []})  # by the try before, whose answer was lost
                if isinstance(error, APIError) and error.status not in RETRIED:
                    raise
                delay_s = self._retries.delay_s(tries, error.retry_after_s if isinstance(error, APIError) else None)
                if delay_s is None or monotonic() + delay_s >= until:
                    raise
                time.sleep(delay_s)

    def json(self, request: Request) -> Any:
        """The JSON of the answer, None of an empty one. Raises PushforwardError."""
        answer = self.send(request)
        return answer.json() if answer.content else None

    def upload(self, request: Request, parts: Iterator[bytes]) -> Any:
        """The JSON of the answer to a body in parts; nothing is sent again. Raises PushforwardError."""
        import httpx

        arguments = {**self._arguments(request), "content": parts}
        with _Failures(self.url, request):
            answer = self.http.request(**arguments, timeout=httpx.Timeout(self.timeout_s, read=UPLOADED_S))
        _check(answer)
        return answer.json()

    @contextmanager
    def stream(self, request: Request, *, silence_s: float | None = None) -> Iterator[httpx.Response]:
        """The answer as it comes; nothing is sent again. Raises PushforwardError."""
        import httpx

        timeout = httpx.Timeout(self.timeout_s, read=silence_s or self.timeout_s)
        with _Failures(self.url, request):
            with self.http.stream(**self._arguments(request), timeout=timeout) as answer:
                _check(answer)
                yield answer

    def save(self, request: Request, path: Path, *, sha256: str | None = None) -> None:
        """Write the answer to a file as it comes, whole or not at all.

        Raises PushforwardError, BrokenAnswer among them where a `sha256` was given and differs, and OSError of `path`.
        """
        digest = hashlib.sha256()
        with whole_file(path) as stream:
            with self.stream(request) as answer:
                for part in answer.iter_bytes():
                    digest.update(part)
                    stream.write(part)
            if sha256 is not None and digest.hexdigest() != sha256:
                raise BrokenAnswer(f"what came of {request.path} has another sha256; download it again")

    def _once(self, request: Request, until: float) -> httpx.Response:
        left_s = max(0.001, until - monotonic())
        with _Failures(self.url, request):
            answer = self.http.request(**self._arguments(request), timeout=left_s)
        _check(answer)
        return answer

    def _arguments(self, request: Request) -> dict[str, Any]:
        return {
            "method": request.method,
            "url": self.url.rstrip("/") + request.path,
            "params": dict(request.query) or None,
            "content": request.content,
            "headers": {**self._headers, **request.headers},
        }


@final
class _Failures:
    """Raises the client's errors in the place of httpx's."""

    def __init__(self, url: str, request: Request) -> None:
        self._url, self._what = url, f"{request.method} {request.path}"

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        raised = _ours(error, self._url, self._what)
        if raised is not None:
            raise raised from error


def _agent() -> str:
    from importlib.metadata import version
    from platform import python_version

    return f"pushforward-client/{version('pushforward')} python/{python_version()}"


def _ours(error: BaseException | None, url: str, what: str) -> PushforwardError | None:
    import httpx

    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return Unreachable(f"{url} cannot be reached in time")
    if isinstance(error, httpx.TimeoutException):
        return RequestTimeout(f"{url} did not answer {what} in time")
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        return BrokenAnswer(f"the answer to {what} broke off; ask again")
    if isinstance(error, httpx.TransportError | httpx.InvalidURL):
        return Unreachable(
            f"nothing answers at {url} ({error}); start the service with `pushforward up`, or give its url"
        )
    return None


def _check(answer: httpx.Response) -> None:
    """Raises APIError where the answer is a refusal."""
    if not answer.is_error:
        return
    answer.read()
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"detail": f"{answer.status_code} {answer.reason_phrase}"}
    raise refusal(answer.status_code, problem, told_s(answer.headers))
