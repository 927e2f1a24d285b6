"""`models.config.numbers_only`: what a config takes for a number."""

from typing import Any

import pytest
from pydantic import ValidationError

from pushforward.models.config.numbers_only import NumbersOnly


class Inner(NumbersOnly):
    width: int = 1


class Outer(NumbersOnly):
    inner: Inner = Inner()
    rate: float | None = None
    pair: tuple[float, float] = (0.0, 0.0)
    steps: int = 1
    name: str = ""
    flag: bool = False


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", "5"), ("steps", True), ("steps", 2.0**53), ("rate", "0.1"), ("rate", False), ("pair", [0.1, "0.2"]),
        ("inner", {"width": "2"}), ("inner", {"width": True}),
    ],
)  # fmt: skip
def test_text_and_booleans_and_doubles_that_skip_whole_numbers_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=r"must be a number, not|beyond 2\*\*53"):
        Outer.model_validate({field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 1e4), ("steps", 2**60 + 1), ("rate", 1), ("rate", 1e30), ("rate", None), ("pair", [1, 2]),
        ("name", "5"), ("flag", True), ("inner", {"width": 3}),
    ],
)  # fmt: skip
def test_numbers_are_taken_however_they_are_written(field: str, value: Any) -> None:
    Outer.model_validate({field: value})


def test_what_was_validated_is_validated_again_alike() -> None:
    whole = Outer(inner=Inner(width=3), rate=0.5)
    assert Outer.model_validate(whole.model_dump(mode="json")) == whole
    assert Outer.model_validate_json(whole.model_dump_json()) == whole
