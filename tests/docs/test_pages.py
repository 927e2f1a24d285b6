"""README.md, docs/rest.md and docs/grpc.md do what they print."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, begin, steps
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
    session, differences = begin(up, up.place.store.parent), list[str]()
    for step in steps((ROOT / page).read_text()):
        came = session.run(step)
        try:
            session.check(step, came)
        except Mismatch as mismatch:
            differences.append(f"$ {step.code}\n{mismatch}")
    assert differences == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_what_comes_of_most_of_its_commands(page: str) -> None:
    shown = [step.printed is not None for step in steps((ROOT / page).read_text())]
    assert sum(shown) >= len(shown) / 3
