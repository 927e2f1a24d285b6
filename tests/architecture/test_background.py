"""No task and no thread without a supervisor: all begin in `service/processes/background.py`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SERVICE = Path(__file__).parents[2] / "service"
FILES = [file for file in sorted(SERVICE.rglob("*.py")) if file.name != "background.py" and "pb" not in file.parts]
BEGINS = {"create_task", "ensure_future", "run_coroutine_threadsafe", "TaskGroup"}
BEGINS |= {"Thread", "Timer", "start_new_thread"}


def begun(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Whatever begins a task or a thread, or inherits from a thread that is not ours."""
    ours = {
        name.asname or name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "pushforward.service.processes.background"
        for name in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in BEGINS:
            yield node.lineno, node.attr
        elif isinstance(node, ast.Name) and node.id in BEGINS and node.id not in ours:
            yield node.lineno, node.id


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SERVICE)))
def test_a_file_begins_tasks_and_threads_by_the_one_module(file: Path) -> None:
    assert list(begun(ast.parse(file.read_text()))) == []


@pytest.mark.parametrize(
    "source",
    [
        "asyncio.create_task(f())",
        "loop.create_task(f())",
        "asyncio.ensure_future(f)",
        "threading.Thread(target=f)",
        "from threading import Thread\nThread(target=f)",
        "class A(threading.Thread): ...",
        "threading.Timer(1, f)",
        "async with asyncio.TaskGroup() as g: ...",
    ],
)
def test_each_other_way_to_begin_one_would_be_found(source: str) -> None:
    assert list(begun(ast.parse(source)))
