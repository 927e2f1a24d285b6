"""Examples in docstrings of the library print what they say. Each stands alone, in an empty folder."""

import ast
import doctest
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HAVE_ONE = (  # what a user of the library opens first
    "adversarial/games/logistic.py",
    "data/toys.py",
    "distributions/gaussians.py",
    "families/flow.py",
    "families/vae.py",
    "geometry/distances.py",
    "library.py",
    "likelihoods/base.py",
    "networks/builders.py",
    "noise.py",
    "presets/__init__.py",
    "run.py",
    "spec/data_spec.py",
    "stepwise/program.py",
    "stepwise/sampling.py",
    "storage/model.py",
)
Node = ast.Module | ast.ClassDef | ast.FunctionDef


def examples(path: Path) -> Iterator[doctest.DocTest]:
    """Those of the module's docstring, and of each class and function in it."""
    file, text = str(path.relative_to(ROOT)), path.read_text()
    for node in ast.walk(ast.parse(text)) if ">>>" in text else ():
        if isinstance(node, Node) and (docstring := ast.get_docstring(node, clean=False)):
            name = file if isinstance(node, ast.Module) else f"{file}:{node.name}"
            test = doctest.DocTestParser().get_doctest(docstring, {}, name, file, node.body[0].lineno - 1)
            if test.examples:
                yield test


FOUND = [test for path in sorted((ROOT / "models").rglob("*.py")) for test in examples(path)]


def printed_otherwise(test: doctest.DocTest) -> str:
    """A report of each line that printed something else; empty where all printed what they say."""
    report = list[str]()
    doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    return "".join(report)


@pytest.mark.parametrize("test", FOUND, ids=lambda test: test.name)
def test_an_example_prints_what_it_says(test: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert printed_otherwise(test) == ""


def test_an_example_that_prints_something_else_is_found() -> None:
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "sum", "sum.py", 0)
    assert "Expected:\n    3\nGot:\n    2" in printed_otherwise(test)


@pytest.mark.parametrize("module", HAVE_ONE)
def test_a_module_that_is_opened_first_has_an_example(module: str) -> None:
    assert any(test.filename == f"models/{module}" for test in FOUND)
