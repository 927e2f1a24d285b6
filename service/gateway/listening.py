"""A gateway prints its ports, for the process that started it."""

from __future__ import annotations

import json
import sys


def print_listening(http_port: int, grpc_port: int) -> None:
    """Print the ports as one line of JSON on standard output."""
    line = {"event": "listening", "http_port": http_port, "grpc_port": grpc_port}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
