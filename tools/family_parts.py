"""The parts of families that are one of several kinds, or a list of them: what may be chosen, and of each its fields.

What several places choose from, such as games and regularizers, is described once, below a heading of its own, and
linked to. A place that takes some of its kinds only names those and links to the same description.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pushforward.service.cli.schemas import bounds, meaning

Schema = Mapping[str, Any]

SHARED = """What more than one place chooses from; each names the kinds that it takes. A kind is an object, a list holds
several: `"game": {"game": "mmd", "features": 32}`, `"regularizers": [{"regularizer": "r1", "gamma": 0.1}]`."""


class Choice(NamedTuple):
    """The kinds that a field may be of."""

    tag: str  # the field that discriminates them
    kinds: tuple[tuple[str, str], ...]  # names, and those of their definitions

    @property
    def names(self) -> str:
        """The kinds in words."""
        return "one of " + ", ".join(f"`{name}`" for name, _ in self.kinds)


def choice_of(field: Schema) -> Choice | None:
    """The choice of a field, of the elements of a list, or of what may be left out."""
    match field:
        case {"discriminator": {"propertyName": tag, "mapping": references}}:
            return Choice(tag, tuple((kind, reference.rpartition("/")[2]) for kind, reference in references.items()))
        case {"items": dict() as item}:
            return choice_of(item)
        case {"anyOf": options}:
            return next(filter(None, map(choice_of, options)), None)
    return None


class Parts:
    """The choices of some schemas: those that are described in their place, and those that are shared."""

    def __init__(self, schemas: Iterable[Schema]) -> None:
        owners = list(schemas)
        self.definitions: dict[str, Schema] = {k: v for each in owners for k, v in each.get("$defs", {}).items()}
        fields = [
            field for each in (*owners, *self.definitions.values()) for field in each.get("properties", {}).values()
        ]
        choices = list(filter(None, map(choice_of, fields)))
        self._widest = {choice: max(choices, key=lambda other: _covers(other, choice)) for choice in choices}
        uses = Counter(self._widest[choice] for choice in choices)
        self.shared = sorted(choice for choice, n in uses.items() if n > 1)

    def kind(self, field: Schema) -> str:
        """A field's type and bounds in a few words, with a link to its kinds where they are described elsewhere."""
        if "discriminator" in field:
            choice = choice_of(field)
            return "" if choice is None else choice.names + self._link(choice)
        if "enum" in field:
            return "one of " + ", ".join(f"`{value}`" for value in field["enum"])
        if "anyOf" in field:
            return " or ".join(self.kind(option) for option in field["anyOf"])
        if isinstance(field.get("items"), dict):
            return f"list{_lengths(field)}, each {self.kind(field['items'])}"
        return ", ".join([str(field.get("type", "")), *bounds(field)])

    def below(self, schema: Schema) -> Iterator[str]:
        """Below the table of an object: the kinds of each of its fields that are described nowhere else."""
        for name, field in schema.get("properties", {}).items():
            choice = choice_of(field)
            if choice is not None and self._widest[choice] not in self.shared:
                yield from ("", f"`{name}` is one of:", "", *self.lines(choice))

    def sections(self) -> Iterator[str]:
        """What is shared, a section for each."""
        if self.shared:
            yield from ("", "## Shared parts", "", SHARED)
        for choice in self.shared:
            yield from ("", f"### {choice.tag}", "", *self.lines(choice))

    def lines(self, choice: Choice, indent: str = "") -> Iterator[str]:
        """A line for each kind and for each of its own fields, and those of the kinds that only they choose from."""
        for kind, definition in choice.kinds:
            schema = self.definitions[definition]
            yield f"{indent}- `{kind}`: {' '.join(schema.get('description', '').split())}"
            for name, field in schema.get("properties", {}).items():
                if name != choice.tag:
                    yield f"{indent}  - `{name}`: {self._sentence(field)}"
                    inner = choice_of(field)
                    if inner is not None and self._widest[inner] not in self.shared:
                        yield from self.lines(inner, indent + "    ")

    def _sentence(self, field: Schema) -> str:
        chosen, kinds = default(field), self.kind(field)
        kinds += f"; {chosen} unless chosen otherwise" if chosen else ""
        return f"{described(field)} {kinds[:1].upper()}{kinds[1:]}.".lstrip()

    def _link(self, choice: Choice) -> str:
        return f" ([{choice.tag}](#{choice.tag}))" if self._widest[choice] in self.shared else ""


def described(field: Schema) -> str:
    """The description of a field, in a cell of a table."""
    return meaning(field).replace("|", "\\|")


def default(field: Schema) -> str:
    """A field's default as code; nothing where it has none."""
    return f"`{json.dumps(field['default'])}`" if "default" in field else ""


def _covers(choice: Choice, other: Choice) -> int:
    """How many kinds a choice has that has all those of the other one; 0 where it has not."""
    has_all = choice.tag == other.tag and set(choice.kinds) >= set(other.kinds)
    return len(choice.kinds) if has_all else 0


def _lengths(field: Schema) -> str:
    """Of a list: ` of 1 to 8`, ` of at most 8`."""
    least, most = field.get("minItems"), field.get("maxItems")
    if most is None:
        return f" of at least {least}" if least else ""
    return f" of {least} to {most}" if least else f" of at most {most}"
