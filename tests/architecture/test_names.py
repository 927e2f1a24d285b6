"""A name of a class means one thing."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_two_public_classes_have_one_name() -> None:
    found = defaultdict[str, list[str]](list)
    for file in (file for folder in ("models", "service") for file in (ROOT / folder).rglob("*.py")):
        if "pb" not in file.parts:
            for node in ast.parse(file.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(str(file.relative_to(ROOT)))
    assert len(found) > 200
    assert {name: files for name, files in found.items() if len(files) > 1} == {}


def test_no_path_of_a_file_stands_in_the_api_document() -> None:
    assert "__" not in (ROOT / "docs" / "openapi.json").read_text()
