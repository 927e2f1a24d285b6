"""Pages do what they print, and no page has commands that are not run."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import AFTER_FIRST, FIRST, PAGES, Session, Step, steps
from tests.docs.printed import Mismatch
from tests.e2e.running import ROOT, Up, start_up, stop_up

ELSEWHERE = {"docs/theory.md", "docs/adding-a-family.md"}  # typed by tests of their own


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    running = start_up(Path(tmp_path_factory.mktemp("pages")))
    yield running
    stop_up(running)


@pytest.fixture(scope="module")
def typed() -> set[str]:
    """The pages that were typed into the service so far."""
    return set()


@pytest.mark.timeout(900)  # some trainings, on whatever machine
@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_prints(page: str, up: Up, typed: set[str]) -> None:
    if page in AFTER_FIRST and FIRST not in typed:
        assert differences(FIRST, up) == []
        typed.add(FIRST)
    if page not in typed:
        typed.add(page)
        assert differences(page, up) == []


def differences(page: str, up: Up) -> list[str]:
    """Where what came is not what the page prints."""
    session, found = Session(up, up.place.store.parent), list[str]()
    for step in steps((ROOT / page).read_text()):
        came = session.run(step)
        try:
            session.check(step, came)
        except Mismatch as mismatch:
            found.append(f"$ {step.code}\n{mismatch}")
    return found


def test_every_page_that_has_commands_is_typed() -> None:
    there = (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    found = {str(file.relative_to(ROOT)) for file in there if re.search(r"^\$ ", file.read_text(), re.MULTILINE)}
    assert found - set(PAGES) == ELSEWHERE


def test_commands_scripts_and_what_they_print_are_found() -> None:
    page = "Text:\n\n```\n$ one\n1\n\n$ two\n```\n\nThen\n\n```python\nprint(3)\n```\n\nprints\n\n```\n3\n```\n"
    found = [(step.language, step.code, step.printed) for step in steps(page)]
    assert found == [("bash", "one", "1\n\n"), ("bash", "two", None), ("python", "print(3)\n", "3\n")]
    assert all(step.printed is None or page[step.at :].startswith(step.printed) for step in steps(page))


def test_a_block_that_is_not_run_must_be_known() -> None:
    with pytest.raises(AssertionError):
        list(steps("Text:\n\n```\npip install something\n```\n"))


def test_a_command_that_shows_nothing_must_succeed(up: Up, tmp_path: Path) -> None:
    missing = f"curl -s {up.place.url}/models/missing"
    with pytest.raises(AssertionError):
        Session(up, tmp_path).run(Step(missing, None, 0))
    with pytest.raises(AssertionError):
        Session(up, tmp_path).run(Step(f"{missing} -o answer.json", None, 0))
    with pytest.raises(AssertionError):
        Session(up, tmp_path).run(Step("false", None, 0))
