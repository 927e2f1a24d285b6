"""How a gateway tells whoever started it where it listens."""

from __future__ import annotations

import json
import sys


def say_listening(http_port: int, grpc_port: int) -> None:
    """The one line on standard output."""
    told = {"event": "listening", "http_port": http_port, "grpc_port": grpc_port}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
