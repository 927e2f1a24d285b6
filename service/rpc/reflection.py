"""Server reflection, under both of its names.

`grpc.reflection.v1` is `grpc.reflection.v1alpha` with another package name: the messages are the same on the wire, so
one servicer answers both. grpcio-reflection has only the older one (https://github.com/grpc/grpc/issues/38576), while
newer clients try the newer one first.
"""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

V1 = "grpc.reflection.v1.ServerReflection"


def enable(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """The server describes these services and its own reflection."""
    named = (*services, V1, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(named, server)
    method = grpc.stream_stream_rpc_method_handler(
        reflection.aio.ReflectionServicer(named).ServerReflectionInfo,  # type: ignore[attr-defined]
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(V1, {"ServerReflectionInfo": method}),))
