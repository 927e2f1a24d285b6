"""JSON Schemas as a person reads them: a line a field, with its type, default and meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Schema = Mapping[str, Any]


class FieldLine(NamedTuple):
    """A field of a configuration."""

    name: str
    type: str
    default: str
    meaning: str

    @property
    def sentence(self) -> str:
        """Type, default and meaning."""
        default = f"[default: {self.default}]" if self.default else ""
        return "  ".join(filter(None, (self.type, default, self.meaning)))


def lines(schema: Schema, *, prefix: str = "") -> Iterator[FieldLine]:
    """The fields of an object, without the tags that say which kind it is."""
    known = schema.get("$defs", {})
    for name, field in schema.get("properties", {}).items():
        if "const" in field:
            continue
        default = "" if "default" not in field else _value(field["default"])
        yield FieldLine(f"{prefix}{name}", type_of(field, known), default, field.get("description", ""))


def type_of(field: Schema, known: Mapping[str, Schema]) -> str:
    """`integer >= 1`, `slerp | linear`, `spline | affine`."""
    match field:
        case {"$ref": ref}:
            return _name(known[ref.rpartition("/")[2]])
        case {"enum": values}:
            return " | ".join(map(str, values))
        case {"anyOf": kinds} | {"oneOf": kinds}:
            return " | ".join(type_of(kind, known) for kind in kinds if kind.get("type") != "null")
        case {"prefixItems": items}:
            return ", ".join(type_of(item, known) for item in items)
        case {"type": "array", "items": item}:
            return f"list of {type_of(item, known)}"
        case {"const": value}:
            return str(value)
    return ", ".join([str(field.get("type", "any")), *_bounds(field)])


def _name(schema: Schema) -> str:
    """The tag of a member of a union; else the title."""
    for field in schema.get("properties", {}).values():
        if "const" in field:
            return str(field["const"])
    return str(schema.get("title", "object")).lower()


def _bounds(field: Schema) -> Iterator[str]:
    for key, sign in (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<="), ("exclusiveMaximum", "<")):
        if key in field:
            yield f"{sign} {field[key]:g}" if isinstance(field[key], float) else f"{sign} {field[key]}"


def _value(default: Any) -> str:
    match default:
        case None:
            return ""
        case dict():
            return next((str(value) for value in default.values() if isinstance(value, str)), "{}")
        case list():
            return ", ".join(map(str, default))
        case bool():
            return str(default).lower()
    return str(default)


def run_lines() -> Iterator[FieldLine]:
    """The fields of a run as flags of `train`: which family and source there are, the source's own fields, the rest."""
    from models.run import Run  # all families: no other verb waits for them

    schema = Run.model_json_schema()
    known = schema["$defs"]
    for name, field in schema["properties"].items():
        tag = field.get("discriminator", {}).get("propertyName")
        if tag is None:
            nested = known.get(_reference(field))
            yield from (
                lines({**nested, "$defs": known}, prefix=f"--{name}.")
                if nested
                else lines({"properties": {name: field}, "$defs": known}, prefix="--")
            )
            continue
        yield FieldLine(f"--{name}.{tag}", type_of(field, known), "", field.get("description", ""))
        if name == "data":
            yield from _fields_of_sources(field["oneOf"], known)


def _fields_of_sources(members: list[Schema], known: Mapping[str, Schema]) -> Iterator[FieldLine]:
    """Each field once, with the sources that have it."""
    owners: dict[FieldLine, list[str]] = {}
    for member in members:
        schema = known[_reference(member)]
        for line in lines({**schema, "$defs": known}, prefix="--data."):
            owners.setdefault(line, []).append(_name(schema))
    for line, sources in owners.items():
        of = "" if len(sources) == len(members) else f"of {', '.join(sources)}"
        yield line._replace(meaning="; ".join(filter(None, (line.meaning, of))))


def _reference(field: Schema) -> str:
    """The name of the schema that a field refers to; "" for none."""
    return str(field.get("$ref", "")).rpartition("/")[2]
