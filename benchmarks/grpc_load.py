"""Closed loops of gRPC calls, played by h2load (nghttp2), because a client in Python takes longer than a server.

h2load knows no gRPC: it posts frames and counts HTTP statuses. So one call is made with a real client first.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import grpc

METHOD = "/pushforward.v1.Pushforward/Sample"
CONNECTIONS = 4


def calls_per_s(port: int, message: bytes, concurrent: int, seconds: float) -> float:
    """Calls that were answered, with so many under way. Raises RuntimeError where one fails."""
    if shutil.which("h2load") is None:
        raise RuntimeError("gRPC is loaded by h2load, which is not here: apt install nghttp2-client")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        channel.unary_unary(METHOD, lambda data: data, lambda data: data)(message, timeout=30)
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "body"
        body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
        command = [
            *("h2load", "--duration", f"{seconds:g}", "--warm-up-time", "1", "--clients", str(CONNECTIONS)),
            *("--max-concurrent-streams", str(concurrent // CONNECTIONS), "--threads", "1", "--data", str(body)),
            *("--header", "content-type: application/grpc", "--header", "te: trailers"),
            f"http://127.0.0.1:{port}{METHOD}",
        ]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    done = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", said)
    if done is None or int(done[2]) + int(done[3]):
        raise RuntimeError(f"some calls failed: {said}")
    return int(done[1]) / seconds
