"""JSON as `google.protobuf.Struct`, and back."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from pushforward.models.config.numbers_only import EXACT
from pushforward.service.application.commands.validation import MAX_SETTINGS
from pushforward.service.domain.errors import Invalid

VALUE_BYTES = 2  # of a value on the wire, at least


def to_struct(fields: Mapping[str, Any]) -> Struct:
    """JSON as a Struct."""
    struct = Struct()
    struct.update(fields)
    return struct


def from_struct(struct: Struct, field: str = "") -> dict[str, Any]:
    """A Struct as parsed JSON; its numbers are doubles, and whole ones become integers where that is exact.

    `field` is the field that holds it. Raises Invalid where it has too many values.
    """
    if struct.ByteSize() > VALUE_BYTES * MAX_SETTINGS:
        _check_size(struct, field)
    return _from_struct(struct)


def _check_size(struct: Struct, field: str) -> None:
    left = MAX_SETTINGS
    waiting: list[Struct | ListValue] = [struct]
    while waiting and left >= 0:
        held = waiting.pop()
        values = list(held.fields.values() if isinstance(held, Struct) else islice(held.values, left + 1))
        left -= len(values)
        for value in values if left >= 0 else ():
            match value.WhichOneof("kind"):
                case "struct_value":
                    waiting.append(value.struct_value)
                case "list_value":
                    waiting.append(value.list_value)
    if left < 0:
        raise Invalid.field(field, f"the request holds more than {MAX_SETTINGS} values outside of its arrays")


def _from_struct(struct: Struct) -> dict[str, Any]:
    return {name: _from_value(value) for name, value in struct.fields.items()}


def _from_value(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return _from_struct(value.struct_value)
        case "list_value":
            return [_from_value(item) for item in value.list_value.values]
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) < EXACT else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None
