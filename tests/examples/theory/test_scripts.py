"""Every script runs, prints what the page says, and draws the picture that the page shows."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from PIL import Image

from tests.docs.printed import aligned

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "examples" / "theory"
PICTURES = ROOT / "docs" / "pictures" / "theory"
PAGE = (ROOT / "docs" / "theory.md").read_text()
SECTION = re.compile(
    r"^## (?P<title>.+)\n(?P<text>(?:(?!## ).*\n)*?)"
    r"\n```\n\$ python examples/theory/(?P<name>\w+)\.py\n(?P<printed>(?:.+\n)+)```\n"
    r"\n!\[(?P<shows>.+)\]\(pictures/theory/(?P<picture>\w+)\.svg\)\n",
    re.MULTILINE,
)
SCRIPTS = sorted(file.stem for file in FOLDER.glob("*.py") if "__main__" in file.read_text())
SECTIONS = {section["name"]: section for section in SECTION.finditer(PAGE)}
MOST_BYTES = 30_000


def ran(name: str, *arguments: str, folder: Path) -> str:
    """What a script prints."""
    command = [sys.executable, str(FOLDER / f"{name}.py"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Run(NamedTuple):
    """A script that ran."""

    name: str
    printed: str
    picture: Path


@pytest.fixture(scope="module", params=SCRIPTS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = Path(tmp_path_factory.mktemp(request.param))
    printed = ran(request.param, folder=folder)
    (picture,) = folder.iterdir()
    return Run(request.param, printed, picture)


def words(picture: Path) -> list[str]:
    """What is written in an svg: titles, labels, ticks."""
    root = ElementTree.parse(picture).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_script_draws_a_picture_with_words(run: Run) -> None:
    assert run.picture.name == f"{run.name}.svg"
    assert len(words(run.picture)) > 10
    assert len(list(ElementTree.parse(run.picture).iter("{http://www.w3.org/2000/svg}path"))) > 10


def test_a_script_prints_what_its_section_says(run: Run) -> None:
    list(aligned(SECTIONS[run.name]["printed"], run.printed))


def test_the_committed_picture_is_of_the_script(run: Run) -> None:
    committed = PICTURES / f"{run.name}.svg"
    assert words(committed) == words(run.picture)
    assert committed.stat().st_size < MOST_BYTES


def test_a_path_says_where_and_in_which_format(tmp_path: Path) -> None:
    out = tmp_path / "picture.png"
    assert ran("parallel_lines", str(out), folder=tmp_path).endswith(f"wrote {out}\n")
    with Image.open(out) as image:
        assert image.format == "PNG"
        assert len(image.convert("L").getcolors() or []) > 10


def test_each_script_has_a_section_and_each_section_its_script() -> None:
    assert len(SCRIPTS) == 7
    assert sorted(SECTIONS) == SCRIPTS
    assert PAGE.count("\n## ") == len(SECTIONS)


def test_a_section_shows_the_picture_of_its_script_and_no_picture_is_left_over() -> None:
    assert {name: section["picture"] for name, section in SECTIONS.items()} == {name: name for name in SCRIPTS}
    assert sorted(file.name for file in PICTURES.iterdir()) == [f"{name}.svg" for name in SCRIPTS]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_tested_cites_a_paper_and_says_how_it_is_run(name: str) -> None:
    assert (Path(__file__).parent / f"test_{name}.py").exists()
    said = (FOLDER / f"{name}.py").read_text().split('"""')[1]
    assert "References:\n    | " in said
    assert said.endswith(f"\npython examples/theory/{name}.py [OUT]\n")
