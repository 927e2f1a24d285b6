"""From flags to a run: `--family.latent 8` is {"family": {"latent": 8}}.

Where a field is a union, its tag alone is enough: `--family.transform affine` is short for
`--family.transform.transform affine`, {"transform": {"transform": "affine"}}. A field within it belongs to the kind
that a flag names, else to the kind of the preset, else to the default. The unions and the types of values come from the
JSON Schema of a run; fields that are not in the schema are sent to the service, which refuses them by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import orjson

from pushforward.service.application.commands.spelling import did_you_mean, near
from pushforward.service.cli.schemas import Schema, Union, lines, members_of, run_lines, run_schema, union_of
from pushforward.service.cli.terminal import fail
from pushforward.service.cli.values import value_of


@final
@dataclass
class Node:
    """The flags of one field: a value, fields within it, or both where the value is their kind."""

    text: str | None = None
    fields: dict[str, Node] = field(default_factory=dict)

    def plant(self, text: str) -> None:
        """Set the value; a JSON object sets the fields within."""
        value = value_of(text, {})
        if not isinstance(value, dict):
            self.text = text
            return
        for name, inner in value.items():
            self.fields.setdefault(name, Node()).plant(orjson.dumps(inner).decode())


def flags(arguments: Sequence[str], options: Sequence[str] = ()) -> Node:
    """Flags as a tree of fields; `options` are the other flags that may have been meant."""
    root = Node()
    for name, text in _pairs(arguments, run_schema(), options) if arguments else ():
        node = root
        for step in name.split("."):
            node = node.fields.setdefault(step, Node())
        node.plant(text)
    return root


def run_of(flagged: Node, *, preset: Mapping[str, Any] = {}) -> dict[str, Any]:
    """The run of these flags, or their changes to the run of a preset."""
    schema = run_schema()
    return _object(flagged, schema, schema["$defs"], preset, "")


def _pairs(arguments: Sequence[str], schema: Schema, options: Sequence[str]) -> Iterator[tuple[str, str]]:
    """`--family.latent 8 --data.source=digits` as names and texts."""
    words = iter(arguments)
    for word in words:
        if not word.startswith("--"):
            fail(f"{word!r} was not expected; flags of a run look like --family.latent 8")
        name, equals, text = word[2:].partition("=")
        if name.partition(".")[0] not in schema["properties"]:
            fail(f"there is no flag --{name}; {_hint(name, schema, options)}")
        if not equals:
            text = next(words, "--")
        if text.startswith("--"):
            fail(f"--{name} needs a value")
        yield name, text


def _hint(name: str, schema: Schema, options: Sequence[str]) -> str:
    """The flags that may have been meant: those with a similar name, or those that end with this name."""
    first, dot, rest = name.partition(".")
    alike = [f"{each}{dot}{rest}" for each in near(f"--{first}", _firsts(schema, options))]
    ending = list(dict.fromkeys(flag for flag in _flags(schema) if flag.endswith(f".{name}")))
    return did_you_mean(ending or alike, between=" or ") or "`pushforward train --help` lists those there are"


def _firsts(schema: Schema, options: Sequence[str]) -> list[str]:
    return [*options, *(f"--{name}" for name in schema["properties"])]


def _flags(schema: Schema) -> Iterator[str]:
    """All flags of a run."""
    known = schema["$defs"]
    yield from (line.name for line in run_lines())
    families = union_of(schema["properties"]["family"], known)
    for family in () if families is None else families.kinds.values():
        yield from (line.name for line in lines({**family, "$defs": known}, prefix="--family."))


def _object(node: Node, schema: Schema, known: Mapping[str, Schema], preset: Any, name: str) -> dict[str, Any]:
    """The fields within a node; `preset` has the values that they change."""
    before = preset if isinstance(preset, Mapping) else {}
    properties = schema.get("properties", {})
    for step in node.fields:
        path = f"{name}.".removeprefix(".")
        if step not in properties and (alike := near(step, properties, 1)):
            fail(f"run.{path}{step}: is not a known field; {did_you_mean([f'--{path}{alike[0]}'])}")
    return {
        step: _value(child, properties.get(step, {}), known, before.get(step), f"{name}.{step}".removeprefix("."))
        for step, child in node.fields.items()
    }


def _value(node: Node, field: Schema, known: Mapping[str, Schema], preset: Any, name: str) -> Any:
    field = known[field["$ref"].rpartition("/")[2]] if "$ref" in field else field
    union = union_of(field, known)
    if union is not None:
        return _member(node, union, field.get("default"), known, preset, name)
    if node.text is None:
        return _object(node, field, known, preset, name)
    members = members_of(field, known)
    if members is not None and all(kind in members.kinds for kind in node.text.split(",")):
        return [{members.tag: kind} for kind in node.text.split(",")]  # r1,packing
    if node.fields:
        fail(f"--{name}.{next(iter(node.fields))} is within a field that another flag gave a value: --{name}")
    return value_of(node.text, field)


def _member(node: Node, union: Union, default: Any, known: Mapping[str, Schema], preset: Any, name: str) -> Any:
    """An object of one kind: the kind that a flag names, else that of the preset, else the default."""
    named = _named(node, union.tag, name)
    changed = preset if isinstance(preset, Mapping) and named in (None, preset.get(union.tag)) else None
    kind: str | None = named or (changed or default or {}).get(union.tag)
    fields = Node(fields={step: child for step, child in node.fields.items() if step != union.tag})
    if named is None and kind is not None:
        _check_owned(fields, union, kind, name)
    inner = _object(fields, union.kinds.get(str(kind), {}), known, changed, name)
    is_said = kind is not None and (named is not None or changed is None)
    return {union.tag: kind, **inner} if is_said else inner


def _named(node: Node, tag: str, name: str) -> str | None:
    """The kind by the short flag (`--data npy`) or the long one (`--data.source npy`)."""
    long = node.fields.get(tag, Node()).text
    if node.text is not None and long is not None and node.text != long:
        fail(f"--{name} {node.text} and --{name}.{tag} {long} differ; give one of them")
    text = node.text if long is None else long
    return None if text is None else str(value_of(text, {"type": "string"}))


def _check_owned(fields: Node, union: Union, kind: str, name: str) -> None:
    for step in fields.fields:
        owners = union.owners(step)
        if owners and kind not in owners:
            fail(f"--{name}.{step} is a field of {', '.join(owners)}, not of {kind}: give --{name} {owners[0]} too")
