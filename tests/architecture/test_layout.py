"""docs/architecture.md shows the folders and every module in them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = "service/rpc/pb"
LOOSE = {"models": 10, "service": 5}  # modules at the top, at most
MOST = 13  # modules of one subject
MOST_LINES = 250  # of a module
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


@pytest.mark.parametrize("folder", folders())
def test_a_module_is_short(folder: str) -> None:
    files = {f"{folder}/{name}.py" for name in modules(folder)}
    assert {file for file in files if len((ROOT / file).read_text().splitlines()) > MOST_LINES} == set()


def test_the_tour_names_folders_and_modules_that_are_there() -> None:
    """A module's name stands behind that of its folder."""
    folder = ROOT
    found = re.findall(
        r"`(?:((?:service|models)/[\w/]*(?:\.py)?)|(\w+\.(?:py|lua)))`", (ROOT / "docs/tour-of-the-code.md").read_text()
    )
    assert len(found) > 40
    for path, module in found:
        if path:
            folder = ROOT / path
            assert folder.exists(), path
        else:
            assert [*folder.rglob(module)], f"{module} in {folder}"
