"""JSON Schemas for people: one line for each field, with its type, default and meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
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


class Union(NamedTuple):
    """A field that is one of several kinds of object."""

    tag: str  # the field that discriminates them
    kinds: Mapping[str, Schema]

    def owners(self, name: str) -> list[str]:
        """The kinds that have a field of this name."""
        return [kind for kind, schema in self.kinds.items() if name in schema.get("properties", {})]


def union_of(field: Schema, known: Mapping[str, Schema]) -> Union | None:
    """The union of a field; None where it is not one."""
    match field:
        case {"discriminator": {"propertyName": tag, "mapping": references}}:
            return Union(tag, {kind: known[_last(reference)] for kind, reference in references.items()})
    return None


def members_of(field: Schema, known: Mapping[str, Schema]) -> Union | None:
    """The union of the elements of a list; None where it has none."""
    options = (field, *field.get("anyOf", ()))
    return next((union_of(each["items"], known) for each in options if "items" in each), None)


def lists(schema: Schema, *, prefix: str = "") -> Iterator[tuple[str, Union]]:
    """The fields of an object, and of the kinds within it, that are lists of several kinds of object; each once."""
    known, found = schema.get("$defs", {}), dict[str, Union]()
    for name, field in schema.get("properties", {}).items():
        members, union = members_of(field, known), union_of(field, known)
        if members is not None:
            found[f"{prefix}{name}"] = members
        for kind in () if union is None else union.kinds.values():
            found |= dict(lists({**kind, "$defs": known}, prefix=f"{prefix}{name}."))
    yield from found.items()


def lines_of_members(members: Union, known: Mapping[str, Schema]) -> Iterator[FieldLine]:
    """The kinds that a list may hold, and the fields of each."""
    for kind, schema in members.kinds.items():
        yield FieldLine(kind, "", "", meaning(schema))
        yield from lines({**schema, "$defs": known}, prefix=f"{kind}.")


def example_of(members: Union) -> str:
    """Names, and an object with a field: `drift,packing` or [{"regularizer": "drift", "weight": 0.001}]."""
    defaults = (
        (kind, name, field["default"])
        for kind, schema in members.kinds.items()
        for name, field in schema.get("properties", {}).items()
        if isinstance(field.get("default"), float)
    )
    names, one = ",".join(list(members.kinds)[:2]), next(defaults, None)
    return names if one is None else f'{names} or [{{"{members.tag}": "{one[0]}", "{one[1]}": {one[2]}}}]'


def lines(schema: Schema, *, prefix: str = "") -> Iterator[FieldLine]:
    """The fields of an object and those within them, without the tags of unions."""
    known = schema.get("$defs", {})
    for name, field in schema.get("properties", {}).items():
        if "const" in field:
            continue
        default = "" if "default" not in field else _value(field["default"])
        yield FieldLine(f"{prefix}{name}", type_of(field, known), default, meaning(field))
        union = union_of(field, known)
        if union is not None:
            yield from _lines_of_kinds(union, known, f"{prefix}{name}.")


def _lines_of_kinds(union: Union, known: Mapping[str, Schema], prefix: str) -> Iterator[FieldLine]:
    """Each field once, with the kinds that have it."""
    owners: dict[FieldLine, list[str]] = {}
    for kind, schema in union.kinds.items():
        for line in lines({**schema, "$defs": known}, prefix=prefix):
            owners.setdefault(line, []).append(kind)
    for line, kinds in owners.items():
        of = "" if len(kinds) == len(union.kinds) else f"of {', '.join(kinds)}"
        yield line._replace(meaning=f"{line.meaning.removesuffix('.')}; {of}".removeprefix("; ")) if of else line


def meaning(field: Schema) -> str:
    """The description of a field, on one line."""
    return " ".join(field.get("description", "").split())


def type_of(field: Schema, known: Mapping[str, Schema]) -> str:
    """`integer >= 1`, `slerp | linear`, `spline | affine`."""
    match field:
        case {"$ref": ref}:
            return _name(known[_last(ref)])
        case {"enum": values}:
            return " | ".join(map(str, values))
        case {"anyOf": kinds} | {"oneOf": kinds}:
            return " | ".join(type_of(kind, known) for kind in kinds if kind.get("type") != "null")
        case {"prefixItems": items}:
            return ",".join(type_of(item, known) for item in items)
        case {"type": "array", "items": item}:
            return f"list of {type_of(item, known)}"
        case {"const": value}:
            return str(value)
    return ", ".join([str(field.get("type", "any")), *bounds(field)])


def _name(schema: Schema) -> str:
    """The tag of a member of a union; else the title."""
    for field in schema.get("properties", {}).values():
        if "const" in field:
            return str(field["const"])
    return str(schema.get("title", "object")).lower()


def bounds(field: Schema) -> Iterator[str]:
    """`>= 1`, `< 2.5`."""
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
            return ",".join(map(_value, default))
        case bool():
            return str(default).lower()
    return str(default)


@cache
def run_schema() -> Schema:
    """The JSON Schema of a run."""
    from pushforward.models.run import Run  # slow, since it imports all families: only verbs that need it wait

    return Run.model_json_schema()


def run_lines() -> Iterator[FieldLine]:
    """The fields of a run as flags of `train`: families, sources and their fields, and all other fields."""
    schema = run_schema()
    known = schema["$defs"]
    for name, field in schema["properties"].items():
        union = union_of(field, known)
        if union is not None:
            yield FieldLine(f"--{name}.{union.tag}", type_of(field, known), "", meaning(field))
            if name == "data":
                yield from _lines_of_kinds(union, known, f"--{name}.")
        elif "$ref" not in field:
            yield from lines({"properties": {name: field}, "$defs": known}, prefix="--")
        else:
            inner = lines({**known[_last(field["$ref"])], "$defs": known}, prefix=f"--{name}.")
            of_family = name == "optimizer"  # the family chooses the defaults
            yield from (line._replace(default="the family's own") for line in inner) if of_family else inner


def _last(reference: str) -> str:
    """The name of the schema of a reference."""
    return reference.rpartition("/")[2]
