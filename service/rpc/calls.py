"""gRPC calls: their messages are received within limits and parsed here.

Every method takes a stream of bytes, which looks the same on the wire as one message. So a message has a deadline,
counts against the budget of the process and is parsed like a body of REST, and a message that cannot be parsed is the
client's fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast, final

import grpc
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from pushforward.service.domain.errors import Malformed, Overloaded, RequestTooLarge, TooSlow
from pushforward.service.processes.intake import Intake, Lease
from pushforward.service.rpc.guard import Context, Guard
from pushforward.service.rpc.wire_size import outside_of_tensors
from pushforward.service.settings import Settings
from pushforward.service.telemetry.gateway import Telemetry

if TYPE_CHECKING:
    from pushforward.service.telemetry.spans import GatewayTracing

PROMPT_S = 1.0  # a message that takes longer is slow, and few slow messages are allowed at a time

Method = Callable[[Any, Context], Any]


@final
class Calls:
    """The state that all calls of one process share."""

    def __init__(
        self, settings: Settings, intake: Intake, telemetry: Telemetry, tracing: GatewayTracing | None = None
    ) -> None:
        self._intake = intake
        self._telemetry, self._tracing = telemetry, tracing
        self._arrival = _Arrival(settings)

    def handler(self, method: MethodDescriptor, answer: Method) -> grpc.RpcMethodHandler[Any, Any]:
        """The handler of a method; `answer` is a coroutine, or a generator where the response is a stream."""
        request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        if method.client_streaming:
            uploading: Any = self._uploading(method.full_name, request, answer)
            return grpc.stream_unary_rpc_method_handler(uploading, None, response.SerializeToString)
        if method.server_streaming:
            streaming: Any = self._streaming(method.full_name, request, answer)
            return grpc.stream_stream_rpc_method_handler(streaming, None, response.SerializeToString)
        unary: Any = self._unary(method.full_name, request, answer)
        return grpc.stream_unary_rpc_method_handler(unary, None, response.SerializeToString)

    def _unary(self, name: str, kind: type[Message], answer: Method) -> Callable[[Any, Context], Awaitable[Message]]:
        async def call(_: Any, context: Context) -> Message:
            async with self._guard(name, context):
                with self._intake.lease() as lease:
                    message: Message = await answer(await self._receive(kind, context, lease), context)
                    return message

        return call

    def _streaming(
        self, name: str, kind: type[Message], answer: Method
    ) -> Callable[[Any, Context], AsyncGenerator[Message]]:
        async def call(_: Any, context: Context) -> AsyncGenerator[Message]:
            async with self._guard(name, context):
                with self._intake.lease() as lease:
                    async with aclosing(answer(await self._receive(kind, context, lease), context)) as messages:
                        async for message in messages:
                            yield message

        return call

    def _uploading(
        self, name: str, kind: type[Message], answer: Method
    ) -> Callable[[Any, Context], Awaitable[Message]]:
        async def call(_: Any, context: Context) -> Message:
            async with self._guard(name, context), aclosing(self._messages(kind, context)) as messages:
                message: Message = await answer(messages, context)
                return message

        return call

    async def _messages(self, kind: type[Message], context: Context) -> AsyncGenerator[Message]:
        """The messages of a call as they come; one at a time is in memory. Raises as `_receive` does."""
        while isinstance(body := await self._arrival.of(context), bytes):
            with self._intake.lease() as lease:
                yield await self._parsed(kind, body, lease)

    def _guard(self, full_name: str, context: Context) -> Guard:
        service, _, name = full_name.rpartition(".")
        return Guard(service, name, self._telemetry, self._tracing, context)

    async def _receive(self, kind: type[Message], context: Context, lease: Lease) -> Message:
        """The message of a call. Raises Malformed, RequestTooLarge, TooSlow, Overloaded."""
        body: Any = await self._arrival.of(context)
        if not isinstance(body, bytes):
            raise Malformed("the call has no message; send one")
        return await self._parsed(kind, body, lease)

    async def _parsed(self, kind: type[Message], body: bytes, lease: Lease) -> Message:
        lease.grow(len(body))
        return await self._intake.parse(lambda: self._parse(kind, body), len(body))

    def _parse(self, kind: type[Message], body: bytes) -> Message:
        max_bytes = self._intake.max_json_bytes
        if len(body) > max_bytes and outside_of_tensors(body, cast(Descriptor, kind.DESCRIPTOR)) > max_bytes:
            raise RequestTooLarge(f"the message holds more than {max_bytes} bytes outside of its tensors; ask in parts")
        try:
            return kind.FromString(body)
        except DecodeError as error:
            raise Malformed(f"the message is not a {kind.DESCRIPTOR.full_name}: {error}") from error


@final
class _Arrival:
    """Waits for messages. Only so many may be slow as fit into the budget of bodies, if each has the maximum size."""

    def __init__(self, settings: Settings) -> None:
        self._timeout_s = settings.body_timeout_s
        self._max_slow = max(1, settings.max_bodies_bytes // settings.max_body_bytes)
        self._slow = 0

    async def of(self, context: Context) -> Any:
        """The bytes of a call's message. Raises TooSlow, Overloaded."""
        waited = _Waited()
        loop = asyncio.get_running_loop()
        timer = loop.call_later(min(PROMPT_S, self._timeout_s), self._look, waited)
        try:
            async with asyncio.timeout(self._timeout_s) as waited.patience:
                return await context.read()
        except TimeoutError:
            if waited.is_surplus:
                raise Overloaded(
                    f"{self._max_slow} slow messages are on their way; try again", retry_after_s=1.0
                ) from None
            raise TooSlow(f"the message did not come within {self._timeout_s:g} s; send it again, faster") from None
        finally:
            timer.cancel()
            self._slow -= waited.is_slow

    def _look(self, waited: _Waited) -> None:
        """Count a message as slow, or refuse it where too many are."""
        if self._slow >= self._max_slow and waited.patience is not None:
            waited.is_surplus = True
            waited.patience.reschedule(0.0)
        else:
            waited.is_slow = True
            self._slow += 1


@final
class _Waited:
    """The wait for one message."""

    def __init__(self) -> None:
        self.patience: asyncio.Timeout | None = None
        self.is_slow = self.is_surplus = False
