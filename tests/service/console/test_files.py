"""`service.console.files`: what the console sends."""

import gzip
import json
from hashlib import sha256

import pytest

from pushforward.service.console.files import STATIC, read


def test_a_file_is_sent_as_it_is_and_compressed() -> None:
    file = read("app.mjs")
    assert file is not None
    assert file.content == gzip.decompress(file.gzipped) == (STATIC / "app.mjs").read_bytes()
    assert file.media_type == "text/javascript; charset=utf-8"


@pytest.mark.parametrize("path", ["", "jobs", "jobs/12", "models/digits@3", "models/digits@3/draw"])
def test_every_address_that_names_no_file_is_the_page(path: str) -> None:
    assert read(path) == read("index.html") is not None


@pytest.mark.parametrize("path", ["no.mjs", "../files.py", "vendor/../../files.mjs", "app.mjs/x.css"])
def test_nothing_else_is_sent(path: str) -> None:
    assert read(path) is None


def test_vendored_files_are_those_of_the_manifest() -> None:
    manifest = json.loads((STATIC / "vendor/manifest.json").read_text())
    for entry in manifest:
        assert sha256((STATIC / "vendor" / entry["file"]).read_bytes()).hexdigest() == entry["sha256"], entry["file"]
        assert (STATIC / f"vendor/LICENSE.{entry['package']}").exists()
        assert entry["license"] in ("MIT", "Apache-2.0")
    files = {path.name for path in (STATIC / "vendor").glob("*") if path.suffix in (".mjs", ".css")}
    assert files == {entry["file"] for entry in manifest}
