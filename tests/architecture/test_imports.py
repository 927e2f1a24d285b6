"""The doors start without PyTorch, and what they need later they import later."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "zuko", "torchdiffeq", "sklearn", "scipy", "safetensors")
LATER = ("celery", "PIL")  # with the first job, with the first picture

PROGRAM = """
import importlib, json, resource, sys, time
since = time.perf_counter()
for name in sys.argv[1:]:
    importlib.import_module(name)
peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"modules": sorted(sys.modules), "seconds": time.perf_counter() - since, "rss_mb": peak_kb / 1024}))
"""


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("service.gateway.process", HEAVY + LATER),
        ("service.gateway.processes", (*HEAVY, *LATER, "fastapi", "grpc", "redis")),
        ("service.rpc.server", HEAVY + LATER),
        ("service.cli", HEAVY),
        ("service.application", HEAVY + LATER),
        ("models.presets", HEAVY),
    ],
)
def test_a_door_starts_without_what_it_does_not_need(module: str, absent: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, module],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        timeout=120,
    )
    told = json.loads(done.stdout)
    print(f"{module}: {told['seconds']:.2f} s, {told['rss_mb']:.0f} MB")
    assert set(absent) & {name.partition(".")[0] for name in told["modules"]} == set()
