"""A crowd that pauses between an answer and the next request, played by wrk.

With n connections and a pause of p seconds it offers n / (p + latency) requests/s: while refusals are prompt that is
close to an open loop, and wrk keeps up with rates that a generator in Python does not. It says its own share of the
cores, because it takes them from the server.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from load import NoWrk, Post

CONNECTIONS = 900  # of the thousand that a gateway takes
SCRIPT = """
good, refused, told = 0, 0, 0  -- global, for thread:get
local pause, body

function init(args)
  local file = io.open(args[4], "rb")
  pause, body = tonumber(args[3]), file:read("*a")
  file:close()
  text = wrk.format("POST", nil, {["Content-Type"] = args[1], ["Accept"] = args[2]}, body)
end

function request() return text end
function delay() return pause + math.random(0, 1) end

function response(status, headers)
  if status == 200 then good = good + 1
  else
    refused = refused + 1
    if headers["Retry-After"] or headers["retry-after"] then told = told + 1 end
  end
end

local threads = {}
function setup(thread) table.insert(threads, thread) end

function done(summary, latency)
  local errors = summary.errors
  local thread = threads[1]
  io.write(string.format('\\n{"good": %d, "refused": %d, "told": %d, "seconds": %f, "p99_ms": %f, "broken": %d}\\n',
    thread:get("good"), thread:get("refused"), thread:get("told"), summary.duration / 1e6,
    latency:percentile(99) / 1e3, errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True)
class Crowd:
    """What a crowd saw."""

    offered_per_s: float
    good_per_s: float  # answers of status 200
    refused_per_s: float
    told: float  # share of refusals with Retry-After
    p99_ms: float  # of all responses
    broken: int  # connections
    cores: float  # share of all cores that the crowd itself took


def crowd(port: int, post: Post, per_s: float, seconds: float) -> Crowd:
    """Offer about so many requests per second. Raises NoWrk."""
    if shutil.which("wrk") is None:
        raise NoWrk("the crowd is played by wrk, which is not here: apt install wrk, brew install wrk")
    pause_ms = max(0, round(1000 * CONNECTIONS / per_s - 0.5))
    with tempfile.TemporaryDirectory() as folder:
        script, body = Path(folder) / "crowd.lua", Path(folder) / "body"
        script.write_text(SCRIPT)
        body.write_bytes(post.bodies[0])
        command = [
            *("wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{round(seconds)}s"),
            *("--timeout", "10s", "--script", str(script), f"http://127.0.0.1:{port}{post.path}"),
            *("--", post.content_type, post.accept, str(pause_ms), str(body)),
        ]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seen = json.loads(said.splitlines()[-1])
    cpu_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Crowd(
        (seen["good"] + seen["refused"]) / seen["seconds"],
        seen["good"] / seen["seconds"],
        seen["refused"] / seen["seconds"],
        seen["told"] / seen["refused"] if seen["refused"] else 1.0,
        seen["p99_ms"],
        seen["broken"],
        cpu_s / seen["seconds"] / (os.cpu_count() or 1),
    )
