"""Mutation testing: change one operator or number of a module at a time, and see whether its tests notice.

    python benchmarks/mutants.py                                    # every module of MODULES, twelve mutants of each
    python benchmarks/mutants.py --sample 40 models/adversarial/games/logistic.py
    python benchmarks/mutants.py --again                            # only what survived before

Mutants are those of cosmic-ray's operators that an engineer could write by mistake: a sign, a factor for a divisor, a
border, a number off by one, a condition turned round, a loop left out. A mutant is tried on a copy of the tree, in a
process forked from one that has PyTorch loaded, by the tests of its module: the file that mirrors it, the few files
that import it, and those of `ALSO`. The sample is drawn with a fixed seed, and is of the module's text: a change
elsewhere does not change it. Writes docs/results/mutants.json and docs/results/mutants.md. A survivor that is right
to survive has its reason in the field `why` of mutants.json, which is written by hand and kept.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from mutant_modules import MODULES, suite_of
from mutants_page import Trial, keep, read, write
from mutations import Mutant, mutants

ROOT = Path(__file__).parent.parent
COPIED = (
    "pushforward",
    "models",
    "service",
    "benchmarks",
    "tools",
    "examples",
    "tests",
    "docs",
    "pyproject.toml",
    "README.md",
)
PRELOADED = ("torch", "torch._dynamo", "zuko", "scipy.optimize", "scipy.stats", "sklearn.datasets", "hypothesis",
             "pytest_asyncio", "pytest_timeout", "xdist", "safetensors.torch", "redis", "celery")  # fmt: skip
SEED, SAMPLE, STARTING_S = 0, 12, 20.0
IGNORED = "ignore::pytest.PytestAssertRewriteWarning"  # plugins that are loaded before the fork


def passes(place: Path, tests: Sequence[str], limit_s: float, *, is_compiled: bool = True) -> bool:
    """Whether the tests pass in the copy at `place`, within the limit, in a process forked from this one.

    Bytecode is written by the first run alone, in which nothing is changed: a mutant may have its original's size
    and second, and would be taken for it.
    """
    pid = os.fork()
    if pid == 0:
        sys.dont_write_bytecode = is_compiled
        os._exit(_test(place, tests))
    due = time.monotonic() + limit_s
    while time.monotonic() < due:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


def _test(place: Path, tests: Sequence[str]) -> int:
    os.setsid()
    os.chdir(place)
    sys.path[:] = [str(place), *(entry for entry in sys.path if entry not in (str(ROOT), str(ROOT / "benchmarks")))]
    os.environ["PYTHONPATH"] = str(place)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-W", IGNORED, *tests]))


def trials(module: str, chosen: Sequence[Mutant], place: Path) -> Iterator[Trial]:
    """Each mutant of one module, tried."""
    file, tests, started = place / module, suite_of(module, ROOT), time.monotonic()
    if not passes(place, tests, 600.0, is_compiled=False):
        raise SystemExit(f"{module}: its tests fail before anything is changed: {' '.join(tests)}")
    limit_s = STARTING_S + 5 * (time.monotonic() - started)
    original = file.read_text()
    for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
        compiled.unlink()
    for mutant in chosen:
        file.write_text(mutant.source)
        caught = not passes(place, tests, limit_s)
        yield Trial(mutant.line, mutant.before, mutant.after, "caught" if caught else "survived")
    file.write_text(original)


def chosen(module: str, sample: int, again: bool) -> tuple[int, list[Mutant]]:
    """How many mutants there are, and which are tried."""
    every = mutants((ROOT / module).read_text())
    if again:
        survived = {(trial.before, trial.after) for trial in read().get(module, ([], 0, []))[2] if not trial.is_caught}
        return len(every), [mutant for mutant in every if (mutant.before, mutant.after) in survived]
    return len(every), random.Random(f"{SEED} {module}").sample(every, min(sample, len(every)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", default=MODULES)
    parser.add_argument("--sample", type=int, default=SAMPLE, help="mutants of each module")
    parser.add_argument("--again", action="store_true", help="try only what survived")
    options = parser.parse_args()
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # what is loaded is nothing that a test could leave behind
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, place / name, symlinks=True)
            else:
                shutil.copy2(source, place / name)
        for module in options.modules:
            n_mutants, picked = chosen(module, options.sample, options.again)
            if not picked:
                continue
            tried = list(trials(module, picked, place))
            keep(module, suite_of(module, ROOT), n_mutants, tried, again=options.again)
            survived = [trial for trial in tried if not trial.is_caught]
            print(f"{module}: {len(tried) - len(survived)} of {len(tried)} caught", flush=True)
            for trial in survived:
                print(f"  {trial.line}: {trial.before}  ->  {trial.after}", flush=True)
            write()


if __name__ == "__main__":
    main()
