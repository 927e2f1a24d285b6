"""Mutants change what is done, one place at a time, and are tried by the tests of their module."""

from pathlib import Path

from benchmarks.mutant_modules import ALSO, ENGINE, MODULES, suite_of
from benchmarks.mutants_page import Trial, keep, markdown, read
from benchmarks.mutations import mutants

ROOT = Path(__file__).parents[2]
SOURCE = '''"""Adds."""

from __future__ import annotations


class Options:
    """A default is a choice."""

    size: int = 3


def add(x: int, *, y: int = 2) -> int:
    """x + y is prose."""
    if x < y:
        return x + y
    return -x
'''


def test_each_change_is_one_that_matters() -> None:
    found = {(each.line, each.before, each.after) for each in mutants(SOURCE)}
    assert (15, "return x + y", "return x - y") in found
    assert (14, "if x < y:", "if x <= y:") in found
    assert (14, "if x < y:", "if not x < y:") in found
    assert (16, "return -x", "return x") in found
    assert (12, "def add(x: int, *, y: int = 2) -> int:", "def add(x: int, *, y: int = 3) -> int:") in found
    assert {line for line, _, _ in found} == {12, 14, 15, 16}


def test_a_module_is_tried_by_its_mirror_and_the_few_that_import_it() -> None:
    found = suite_of("models/adversarial/kernels.py", ROOT)
    assert found[0] == "tests/models/adversarial/test_kernels.py"
    assert suite_of("service/engine/group.py", ROOT)[:3] == list(ENGINE)
    assert all(suite_of(module, ROOT) for module in MODULES)
    assert all((ROOT / module).exists() for module in (*MODULES, *ALSO))


def test_what_survives_keeps_its_reason_and_what_is_caught_needs_none(tmp_path: Path) -> None:
    file = tmp_path / "mutants.json"
    first = [Trial(3, "a", "b", "survived", "the same"), Trial(4, "c", "d", "survived")]
    keep("m.py", ["t.py"], 9, first, again=False, file=file)
    keep("m.py", ["t.py"], 9, [Trial(5, "c", "d", "caught")], again=True, file=file)
    tests, n_mutants, trials = read(file)["m.py"]
    assert (tests, n_mutants) == (["t.py"], 9)
    assert [(trial.line, trial.outcome, trial.why) for trial in trials] == [
        (3, "survived", "the same"),
        (5, "caught", ""),
    ]
    keep("m.py", ["t.py"], 9, [Trial(7, "a", "b", "survived")], again=False, file=file)
    assert [(trial.line, trial.why) for trial in read(file)["m.py"][2]] == [(7, "the same")]
    assert "| `m.py` | 9 | 1 | 0 | 1 |" in markdown(read(file))
    assert "| `m.py:7` | `a` to `b` | the same |" in markdown(read(file))
