"""Floats that JSON can carry."""

import json
from math import inf, isnan, nan

import pytest
from pydantic import BaseModel, ValidationError

from pushforward.models.config.config import Config
from pushforward.models.config.json_float import JsonFloat


class Loose(BaseModel):
    values: dict[str, JsonFloat]


class Strict(Config):
    values: dict[str, JsonFloat]


@pytest.mark.parametrize("cls", [Loose, Strict])
def test_what_is_not_finite_is_a_word_in_json_and_comes_back(cls: type[Loose | Strict]) -> None:
    record = cls(values={"a": nan, "b": inf, "c": -inf, "d": 1.5})
    written = record.model_dump_json()
    assert json.loads(written)["values"] == {"a": "NaN", "b": "Infinity", "c": "-Infinity", "d": 1.5}
    assert record.model_dump(mode="json")["values"] == json.loads(written)["values"]
    back = cls.model_validate_json(written).values
    assert isnan(back.pop("a"))
    assert back == {"b": inf, "c": -inf, "d": 1.5}


def test_other_text_is_no_number() -> None:
    with pytest.raises(ValidationError, match="must be a number"):
        Strict.model_validate({"values": {"a": "5"}})
