"""The OpenAPI document: what people and generators of clients read of the REST API."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from service.gateway.examples import EXAMPLES
from service.gateway.portable import portable
from service.validation import parse
from tests.doors.conftest import Doors

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parents[2] / "docs/openapi.json").read_text())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
OPERATIONS = [operation for path in DOCUMENT["paths"].values() for operation in path.values()]


def test_no_name_holds_the_path_of_a_file() -> None:
    assert [name for name in SCHEMAS if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name)] == []


def test_an_operation_is_called_what_it_does() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS]
    assert len(set(ids)) == len(ids)
    assert [name for name in ids if not re.fullmatch(r"[a-z]+(_[a-z]+){0,2}", name)] == []
    assert {"train", "list_jobs", "cancel_job", "sample", "get_model"} <= set(ids)


def test_every_field_is_described() -> None:
    missing = [
        f"{name}.{field}"
        for name, schema in SCHEMAS.items()
        for field, value in schema.get("properties", {}).items()
        if "const" not in value and "description" not in value
    ]
    assert missing == []


def test_every_operation_and_parameter_is_described() -> None:
    assert [operation["operationId"] for operation in OPERATIONS if not operation.get("description")] == []
    parameters = [each for operation in OPERATIONS for each in operation.get("parameters", ())]
    assert [each["name"] for each in parameters if not each.get("description")] == []


def test_a_field_that_tells_the_members_of_a_union_apart_is_required_in_each() -> None:
    for schema in json_nodes(DOCUMENT):
        for value, reference in schema.get("discriminator", {}).get("mapping", {}).items():
            member, tag = SCHEMAS[reference.rpartition("/")[2]], schema["discriminator"]["propertyName"]
            assert member["properties"][tag]["const"] == value
            assert tag in member["required"]


def test_no_default_is_an_object() -> None:
    assert [node for node in json_nodes(SCHEMAS) if isinstance(node.get("default"), dict)] == []


def test_a_default_that_was_an_object_is_told_in_the_description() -> None:
    assert SCHEMAS["WAE"]["properties"]["penalty"]["description"].endswith("Left out: mmd.")


def test_the_schema_of_a_body_is_a_schema() -> None:
    """Not an object that holds a field called schema."""
    bodies = [content for node in json_nodes(DOCUMENT["paths"]) for content in node.get("content", {}).values()]
    assert [content for content in bodies if "schema" in content["schema"]] == []


@pytest.mark.parametrize(
    ("command", "name"), [(command, name) for command, named in EXAMPLES.items() for name in named]
)
def test_an_example_is_a_request_that_is_taken(command: Any, name: str) -> None:
    parse(command, EXAMPLES[command][name]["value"])


def test_a_schema_without_fields_stays_as_it_is() -> None:
    assert portable({"Told": {"type": "string", "enum": ["a"]}}) == {"Told": {"type": "string", "enum": ["a"]}}


async def test_the_page_of_the_api_asks_no_other_host(doors: Doors) -> None:
    page = await doors.rest.get("/docs")
    assert page.status_code == 200
    addresses = re.findall(r"""(?:src|href|url)\s*[=:]\s*['"]([^'"]+)""", page.text)
    assert len(addresses) >= 4
    for address in addresses:
        assert address.startswith("/")
        assert (await doors.rest.get(address)).status_code == 200
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]


def json_nodes(value: Any) -> Any:
    """Every object within a document."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from json_nodes(each)
