"""Schemas that generators of clients understand.

pydantic writes schemas for validation; generators need a little more, or less:

- the discriminator of a union is required in each of its members (OpenAPI 3.1, "Discriminator Object"), although it
  has a default;
- a default that is an object is left out, because few generators can write it as code: the description says it instead;
- every default in a request is left out, because some generators (openapi-typescript) take a field with a default for
  one that is always there, and then require it in requests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Schemas = dict[str, Any]


def portable(schemas: Mapping[str, Any], *, asked: bool = False) -> Schemas:
    """The components of a document, by name; `asked`: they are parts of requests."""
    tags = {tag for schema in schemas.values() for tag in _tags(schema)}
    return {name: _object(schema, tags, asked) for name, schema in schemas.items()}


def _tags(schema: Any) -> set[str]:
    """The discriminators of the unions within a schema."""
    if isinstance(schema, list):
        return set().union(*map(_tags, schema))
    if not isinstance(schema, dict):
        return set()
    found = set().union(*map(_tags, schema.values()))
    discriminator = schema.get("discriminator")
    return found | {discriminator["propertyName"]} if isinstance(discriminator, dict) else found


def _object(schema: dict[str, Any], tags: set[str], asked: bool) -> dict[str, Any]:
    fields = schema.get("properties")
    if fields is None:
        return schema
    required = [*schema.get("required", ())]
    required += [name for name in fields if name in tags and "const" in fields[name] and name not in required]
    known = {"required": required} if required else {}
    return schema | {"properties": {name: _field(field, asked) for name, field in fields.items()}} | known


def _field(field: dict[str, Any], asked: bool) -> dict[str, Any]:
    kept = {name: value for name, value in field.items() if name != "default"}
    default = field.get("default")
    if "const" in field or "default" not in field:
        return kept
    if isinstance(default, dict):
        name = next((str(value) for value in default.values() if isinstance(value, str)), "") or _flat(default)
        return _described(kept, f"Left out: {name}." if name else "")
    if not asked:
        return field
    return _described(kept, "" if default is None else f"Default: {json.dumps(default, ensure_ascii=False)}.")


def _described(field: dict[str, Any], what: str) -> dict[str, Any]:
    """The same field, with one more sentence in its description."""
    description = " ".join(filter(None, (field.get("description"), what)))
    return field | ({"description": description} if description else {})


def _flat(default: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in default.items() if value is not None)
