"""Fields described by the string that stands below them, read when a JSON Schema is made.

`use_attribute_docstrings` of pydantic says the same, but parses the source of every class at import: a third of a
second of each process, few of which ever make a schema.
"""

from __future__ import annotations

import ast
from functools import cache
from inspect import cleandoc, getsource
from itertools import pairwise
from textwrap import dedent
from typing import Any, cast

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic_core import CoreSchema


class Described(BaseModel):
    """A model whose JSON Schema describes each field."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> dict[str, Any]:
        reference = handler(schema)
        properties = handler.resolve_ref_schema(reference).get("properties", {})
        described = descriptions(cls)
        for name, field in cls.model_fields.items():
            if name in described:
                properties[field.alias or name]["description"] = described[name]
        return reference


@cache
def descriptions(cls: type[BaseModel]) -> dict[str, str]:
    """The descriptions of a class's fields by their names, its parents' among them."""
    inherited = [descriptions(base) for base in reversed(cls.__bases__) if issubclass(base, BaseModel)]
    own = {} if cls.__module__.startswith("pydantic.") else _below_fields(cls)
    return {name: text for each in (*inherited, own) for name, text in each.items()}


def _below_fields(cls: type) -> dict[str, str]:
    (definition,) = cast("list[ast.ClassDef]", ast.parse(dedent(getsource(cls))).body)
    found = dict[str, str]()
    for field, below in pairwise(definition.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = cleandoc(text)
    return found
