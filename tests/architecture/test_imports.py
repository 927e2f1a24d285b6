"""Processes start without what they do not need, and what they need later they import later."""

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
        ("pushforward.service.gateway.process", HEAVY + LATER),
        ("pushforward.service.gateway.cluster", (*HEAVY, *LATER, "fastapi", "grpc", "redis")),
        ("pushforward.service.rpc.server", HEAVY + LATER),
        ("pushforward.service.cli.app", HEAVY),
        ("pushforward.service.application.application", HEAVY + LATER),
        ("pushforward.models.presets", HEAVY),
        ("pushforward.service.runner.child", ("sklearn", "scipy", "pandas")),
    ],
)
def test_a_process_starts_without_what_it_does_not_need(module: str, absent: tuple[str, ...]) -> None:
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


CHECKS = """
import sys
from pathlib import Path
from pushforward.models.data import Digits, Toy, TwoMoons
from pushforward.models.errors import InvalidData
from pushforward.models.families import FAMILIES
from pushforward.models.presets import PRESETS
for source in (TwoMoons(), TwoMoons(condition="label"), Digits(), Digits(condition="label")):
    for family in FAMILIES.values():
        try:
            family().check(source.outline(Path()))
        except InvalidData as refused:
            print(refused.field)
for run in (preset.run for preset in PRESETS.values()):
    if isinstance(run.data, Toy | Digits):
        run.family.check(run.data.outline(Path()))
assert not {*sys.argv[1:]} & {name.partition(".")[0] for name in sys.modules}
"""


def test_what_a_family_cannot_model_is_told_without_what_trains_it() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CHECKS, *HEAVY]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120, text=True)
    assert done.returncode == 0, done.stderr
    fields = done.stdout.split()
    assert fields
    assert all(field.startswith("run.") for field in fields)
