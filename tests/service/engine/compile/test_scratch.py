"""`service.engine.compile.scratch`: where compiled code may lie, and what is swept."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pushforward.service.engine.compile.scratch import PREFIX, Scratch, is_executable, sweep
from tests.service.models_on_disk import put_model

# A mount of one's own needs no rights where users have namespaces.
NOEXEC = """
import sys, torch
from pathlib import Path
from pushforward.models.storage.model import load_model
from pushforward.service.engine.compile.compiler import Compiler
from pushforward.service.engine.compile.served import ServedNet
compiler = Compiler(torch.device("cpu"), 1, pays_after_s=1e-9)
model = compiler.serve(load_model(Path(sys.argv[1]), torch.device("cpu")))
assert not any(isinstance(net, ServedNet) for net in model.nets.values())
compiler.close()
assert compiler.compilations == 0
"""
MOUNTED = 'mount -t tmpfs -o noexec tmpfs "$TMPDIR" && exec "$0" -c "$1" "$2"'


LIVING = """
import time
from pushforward.service.engine.compile.scratch import Scratch
scratch = Scratch()
print(scratch.path, flush=True)
time.sleep(60)
"""


def test_code_may_run_from_an_ordinary_folder(tmp_path: Path) -> None:
    assert is_executable(tmp_path)


def test_no_code_runs_from_what_takes_no_files() -> None:
    assert not is_executable(Path("/proc"))


def test_on_a_noexec_disk_networks_stay_eager_and_one_line_says_so(tmp_path: Path) -> None:
    folder = put_model(tmp_path / "store")
    (tmp_path / "tmp").mkdir()
    ran = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNTED, sys.executable, NOEXEC, str(folder)],
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("networks stay eager: no code may run from") == 1


def test_what_a_killed_worker_left_is_swept_and_what_a_live_one_holds_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    child = subprocess.Popen(
        [sys.executable, "-c", LIVING], env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        left = Path(child.stdout.readline().strip())
        sweep(tmp_path)
        assert left.is_dir()
        child.send_signal(signal.SIGKILL)
    old, new = tmp_path / f"{PREFIX}old", tmp_path / f"{PREFIX}new"
    for each in (old, new):
        each.mkdir()
    os.utime(old, (0, 0))
    mine = Scratch()
    assert {each.name for each in tmp_path.iterdir()} == {mine.path.name, new.name}
    mine.close()
    assert {each.name for each in tmp_path.iterdir()} == {new.name}
