"""README.md, docs/rest.md, docs/grpc.md and docs/data.md do what they print."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, Session, Step, steps
from tests.docs.printed import Mismatch
from tests.e2e.running import ROOT, Up, start_up, stop_up


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    running = start_up(Path(tmp_path_factory.mktemp("pages")))
    yield running
    stop_up(running)


@pytest.mark.timeout(900)  # some trainings, on whatever machine
@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_prints(page: str, up: Up) -> None:
    session, differences = Session(up, up.place.store.parent), list[str]()
    for step in steps((ROOT / page).read_text()):
        came = session.run(step)
        try:
            session.check(step, came)
        except Mismatch as mismatch:
            differences.append(f"$ {step.code}\n{mismatch}")
    assert differences == []


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
