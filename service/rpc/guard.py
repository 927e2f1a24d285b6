"""Around each gRPC call: its refusal as a status, its metrics and its span."""

from __future__ import annotations

import logging
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, final

import grpc

from pushforward.service.domain.errors import Failed, ServiceError
from pushforward.service.rpc import status
from pushforward.service.telemetry.gateway import Telemetry

if TYPE_CHECKING:
    from pushforward.service.telemetry.spans import GatewayTracing

# The statuses that are failures of the service, in a trace.
FAULTS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}

Context = grpc.aio.ServicerContext[Any, Any]

log = logging.getLogger(__name__)


@final
class Guard:
    """Around one call: refusals become statuses, and the call is counted and traced."""

    def __init__(
        self, service: str, name: str, telemetry: Telemetry, tracing: GatewayTracing | None, context: Context
    ) -> None:
        self._service, self._name, self._telemetry, self._context = service, name, telemetry, context
        self._since = perf_counter()
        self._request = None if tracing is None else tracing.begin(f"{service}/{name}", _strings(context))

    async def __aenter__(self) -> None:
        return

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        code, refusal = grpc.StatusCode.OK, None
        if isinstance(error, ServiceError):
            code, refusal = status.CODES[error.kind], error
        elif isinstance(error, Exception):
            log.error("%s failed", self._name, exc_info=error)
            code, refusal = grpc.StatusCode.INTERNAL, Failed("an unexpected error; the service's log tells more")
        elif error is not None:
            code = grpc.StatusCode.CANCELLED
        seconds = perf_counter() - self._since
        self._telemetry.request(door="grpc", route=self._name, status=code.name, seconds=seconds)
        if self._request is not None:
            attributes = {
                "rpc.system": "grpc",
                "rpc.service": self._service,
                "rpc.method": self._name,
                "rpc.grpc.status_code": code.value[0],
            }
            self._request.end(f"{self._service}/{self._name}", attributes, failed=code in FAULTS)
        if refusal is not None:
            await status.abort(self._context, refusal)


def _strings(context: Context) -> dict[str, str]:
    """The metadata that are strings."""
    metadata = context.invocation_metadata() or ()
    return {name: value for name, value in metadata if isinstance(value, str)}
