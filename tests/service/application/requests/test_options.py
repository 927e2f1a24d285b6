"""`service.application.requests.options`: the options of every family."""

from __future__ import annotations

import pytest

from pushforward.models.families import FAMILIES
from pushforward.service.application.requests.options import option_types


@pytest.mark.parametrize("family", FAMILIES)
def test_options_with_their_defaults_written_out_are_the_same_options(family: str) -> None:
    for options in option_types(FAMILIES[family]).values():
        assert options.model_validate(options().model_dump(mode="json")) == options()
