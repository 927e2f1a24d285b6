"""The site that `make docs` builds of docs/: strictly, whole, and nothing of it from elsewhere."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from tests.e2e.running import ROOT

SOURCES = ("docs", "mkdocs.yml", "tools/site")
FETCHED = re.compile(r"""@import|url\(\s*["']?(?:https?:)?//""")
ALLOWED = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "


class Page(HTMLParser):
    """What a page refers to, what it fetches, and the places within it."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links, self.fetched, self.ids, self.classes = list[str](), list[str](), set[str](), set[str]()
        self.policy = ""
        self.feed(file.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.ids |= {told[name] for name in ("id", "name") if name in told}
        self.classes |= set(told.get("class", "").split())
        if tag == "a" and "href" in told:
            self.links.append(told["href"])
        elif tag == "link":
            self.fetched.append(told.get("href", ""))
        elif tag == "meta" and told.get("http-equiv") == "Content-Security-Policy":
            self.policy = told["content"]
        if "src" in told:
            self.fetched.append(told["src"])


def copied(place: Path) -> Path:
    """The sources of the site, for a build leaves folders beside them."""
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place / name)
        else:
            shutil.copy(ROOT / name, place / name)
    return place


def built(place: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict"]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=150)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = copied(tmp_path_factory.mktemp("site"))
    done = built(place)
    assert done.returncode == 0, done.stderr
    return place / "site"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {file: Page(file) for file in site.rglob("*.html")}


def test_every_page_of_the_docs_is_on_the_site(site: Path) -> None:
    wanted = [file.relative_to(ROOT / "docs").with_suffix(".html") for file in (ROOT / "docs").rglob("*.md")]
    assert [str(page) for page in wanted if not (site / page).exists()] == []


def test_every_page_but_the_decisions_is_in_the_navigation() -> None:
    def named(nav: object) -> set[str]:
        if isinstance(nav, list | dict):
            return {name for inner in (nav.values() if isinstance(nav, dict) else nav) for name in named(inner)}
        return {str(nav)}

    listed = named(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    there = {str(file.relative_to(ROOT / "docs")) for file in (ROOT / "docs").rglob("*.md")}
    assert listed == {name for name in there if not name.startswith("decisions/0")}


def test_every_link_of_the_site_leads_to_a_file_and_a_place_in_it(pages: dict[Path, Page]) -> None:
    lost = list[str]()
    for file, page in pages.items():
        for link in (*page.links, *page.fetched):
            path, _, place = link.partition("#")
            target = (file.parent / path.partition("?")[0]).resolve() if path else file
            if ":" in path or file.name == "404.html":
                continue
            target = target / "index.html" if target.is_dir() else target
            if not target.exists() or (place and target in pages and place not in pages[target].ids):
                lost.append(f"{file.name}: {link}")
    assert lost == []


def test_no_page_fetches_anything_from_elsewhere_and_browsers_would_refuse(site: Path, pages: dict[Path, Page]) -> None:
    assert [link for page in pages.values() for link in page.fetched if "//" in link] == []
    assert [str(file) for file in site.rglob("*.css") if FETCHED.search(file.read_text())] == []
    assert all(page.policy.startswith(ALLOWED) for page in pages.values())
    # What the theme's program would load for them is not on the site.
    assert {"mermaid", "glightbox"} & {name for page in pages.values() for name in page.classes} == set()


@pytest.mark.parametrize("link", ["nowhere.md", "rest.md#nowhere"])
def test_a_link_to_nothing_fails_the_build(link: str, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "rest.md").write_text("# REST\n")
    (tmp_path / "docs" / "index.md").write_text(f"[a link]({link})\n")
    (tmp_path / "mkdocs.yml").write_text("site_name: Links\n")
    done = built(tmp_path)
    assert done.returncode != 0
    assert "does not exist" in done.stderr
