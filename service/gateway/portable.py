"""Schemas that generators of clients read as they are meant.

pydantic writes what validates; generators want a little more, or less:

- a field that tells the members of a union apart is required in each of them (OpenAPI 3.1, "Discriminator Object"),
  although it has a default;
- a default that is an object is left out, since few generators make code of it: the description says what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schemas = dict[str, Any]


def portable(schemas: Mapping[str, Any]) -> Schemas:
    """The components of a document, by name."""
    tags = {tag for schema in schemas.values() for tag in _tags(schema)}
    return {name: _object(schema, tags) for name, schema in schemas.items()}


def _tags(schema: Any) -> set[str]:
    """The fields by which the unions within a schema tell their members apart."""
    if isinstance(schema, list):
        return set().union(*map(_tags, schema))
    if not isinstance(schema, dict):
        return set()
    found = set().union(*map(_tags, schema.values()))
    discriminator = schema.get("discriminator")
    return found | {discriminator["propertyName"]} if isinstance(discriminator, dict) else found


def _object(schema: dict[str, Any], tags: set[str]) -> dict[str, Any]:
    fields = schema.get("properties")
    if fields is None:
        return schema
    required = [*schema.get("required", ())]
    required += [name for name in fields if name in tags and "const" in fields[name] and name not in required]
    known = {"required": required} if required else {}
    return schema | {"properties": {name: _field(field) for name, field in fields.items()}} | known


def _field(field: dict[str, Any]) -> dict[str, Any]:
    default = field.get("default")
    if "const" in field:
        return {name: value for name, value in field.items() if name != "default"}
    if not isinstance(default, dict):
        return field
    kept = {name: value for name, value in field.items() if name != "default"}
    left_out = next((str(value) for value in default.values() if isinstance(value, str)), "") or _flat(default)
    description = " ".join(filter(None, (field.get("description"), f"Left out: {left_out}." if left_out else "")))
    return kept | ({"description": description} if description else {})


def _flat(default: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in default.items() if value is not None)
