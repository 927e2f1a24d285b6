"""The limit of gRPC: a handler of grpc.aio that does nothing but send the same bytes."""

from __future__ import annotations

import os
from pathlib import Path

import grpc
import uvloop

ANSWER = Path(os.environ["GRPC_ANSWER"]).read_bytes()


async def sample(_request: bytes, _context: object) -> bytes:
    return ANSWER


async def main() -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    method = grpc.unary_unary_rpc_method_handler(sample)  # bytes in, bytes out
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("pushforward.v1.Pushforward", {"Sample": method}),)
    )
    server.add_insecure_port(f"127.0.0.1:{os.environ['PORT']}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main())
