"""The OpenAPI document: what people and generators of clients read of the REST API."""

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from pushforward.service.application.commands.commands import TrainModel
from pushforward.service.application.commands.validation import parse
from pushforward.service.rest.contract.examples import EXAMPLES
from pushforward.service.rest.contract.portable import portable
from tests.apis.conftest import Apis

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


def test_no_schema_of_a_request_has_a_default() -> None:
    """Generators of types (openapi-typescript) require a field that has one."""
    found = [name for name in sorted(sent()) for node in json_nodes(SCHEMAS[name]) if "default" in node]
    assert found == []
    assert {"Train", "TrainPreset", "Run", "Budget", "Npy", "VAE", "Sample", "Interpolate"} <= sent()


@pytest.mark.parametrize(
    ("name", "field", "default"),
    [("Sample", "n", "1"), ("Interpolate", "steps", "8"), ("Run", "seed", "0"), ("VAE", "latent", "16")],
)
def test_a_default_of_a_request_is_told_in_the_description(name: str, field: str, default: str) -> None:
    assert SCHEMAS[name]["properties"][field]["description"].endswith(f" Default: {default}.")


def test_only_what_every_request_needs_is_required() -> None:
    assert SCHEMAS["Sample"]["required"] == ["model"]
    assert SCHEMAS["Interpolate"]["required"] == ["model"]
    assert SCHEMAS["Run"]["required"] == ["family", "data"]
    assert "required" not in SCHEMAS["RunChanges"]


def test_a_train_request_has_a_run_or_a_preset_or_a_start_and_changes() -> None:
    schema = DOCUMENT["paths"]["/train"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert [each["$ref"].rpartition("/")[2] for each in schema["oneOf"]] == ["Train", "TrainPreset", "TrainFrom"]
    assert SCHEMAS["Train"]["properties"]["run"]["$ref"].endswith("/Run")
    assert SCHEMAS["TrainPreset"]["properties"].keys() == TrainModel.model_fields.keys()
    assert SCHEMAS["TrainFrom"]["properties"].keys() == TrainModel.model_fields.keys() - {"preset"}
    assert SCHEMAS["TrainFrom"]["required"] == ["model", "start_from"]
    assert SCHEMAS["RunChanges"]["properties"].keys() == SCHEMAS["Run"]["properties"].keys()
    assert not any(
        SCHEMAS[name]["additionalProperties"] for name in ("Train", "TrainPreset", "TrainFrom", "RunChanges")
    )


@pytest.mark.parametrize("part", SCHEMAS["RunChanges"]["properties"])
def test_a_part_of_a_preset_s_run_is_changed_as_its_schema_says(part: str) -> None:
    kind = SCHEMAS["RunChanges"]["properties"][part]["type"]
    fields = {"family": {"latent": 3}, "data": {"source": "two_moons"}, "budget": {"steps": 3}}.get(part, {})
    changed = {"integer": 1, "string": "digits-vae@3"}.get(kind, fields)
    run = parse(TrainModel, {"model": "m", "preset": "vae-digits", "run": {part: changed}}).run
    assert run is not None


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation["operationId"])
def test_an_operation_has_a_summary_and_speaks_of_npy_where_it_takes_it(operation: Any) -> None:
    assert " " in operation["summary"]
    body = operation.get("requestBody", {"content": {}})
    assert ("npy" in body.get("description", "")) == ("application/x-npy" in body["content"])


def test_the_version_is_that_of_the_package() -> None:
    assert DOCUMENT["info"]["version"] == version("pushforward")


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


async def test_the_page_of_the_api_asks_no_other_host(apis: Apis) -> None:
    page = await apis.rest.get("/docs")
    assert page.status_code == 200
    addresses = re.findall(r"""(?:src|href|url)\s*[=:]\s*['"]([^'"]+)""", page.text)
    assert len(addresses) >= 4
    for address in addresses:
        assert address.startswith("/")
        assert (await apis.rest.get(address)).status_code == 200
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]


def sent() -> set[str]:
    """The names of the schemas of requests and of what they hold."""
    found, waiting = set[str](), [operation.get("requestBody", {}) for operation in OPERATIONS]
    while waiting:
        references = {str(node["$ref"]) for node in json_nodes(waiting.pop()) if "$ref" in node}
        new = {reference.rpartition("/")[2] for reference in references} - found
        waiting += [SCHEMAS[name] for name in new]
        found |= new
    return found


def json_nodes(value: Any) -> Any:
    """Every object within a document."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from json_nodes(each)
