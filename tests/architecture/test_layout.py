"""docs/architecture.md shows the folders and every module in them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = "service/rpc/pb"
LOOSE = {"models": 10, "service": 5}  # modules at the top, at most
MOST = 13  # modules of one subject
REGISTRIES = {"models/families", "models/presets"}


def folders() -> list[str]:
    """Those that hold modules."""
    inits = (path for root in LOOSE for path in (ROOT / root).rglob("__init__.py"))
    return sorted(str(path.parent.relative_to(ROOT)) for path in inits if GENERATED not in str(path))


def modules(folder: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / folder).glob("*.py") if path.name != "__init__.py")


def printed() -> dict[str, list[str]]:
    """The modules of each folder as the page has them."""
    layout = (ROOT / "docs" / "architecture.md").read_text().split("```")[1]
    found, path = dict[str, list[str]](), list[str]()
    for line in layout.splitlines():
        if match := re.match(r"( *)(\w+)/ ", line):
            path = [*path[: len(match[1]) // 2], match[2]]
            found["/".join(path)] = []
        elif path:
            found["/".join(path)] += line.split()
    return found


@pytest.mark.parametrize("folder", folders())
def test_the_page_has_every_module_of_a_folder(folder: str) -> None:
    assert sorted(printed()[folder]) == modules(folder)


@pytest.mark.parametrize("folder", folders())
def test_a_folder_has_few_modules(folder: str) -> None:
    most = LOOSE.get(folder, MOST)
    assert folder in REGISTRIES or len(modules(folder)) <= most
