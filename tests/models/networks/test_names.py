"""The names of `models.networks` are those of its modules."""

from importlib import import_module

import pytest

from pushforward.models import networks


@pytest.mark.parametrize("name", networks.MODULES)
def test_a_name_is_what_its_module_defines(name: str) -> None:
    module = f"pushforward.models.networks.{networks.MODULES[name]}"
    assert getattr(networks, name) is getattr(import_module(module), name)
    assert getattr(networks, name).__module__ in (module, "zuko.transforms")


def test_what_it_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'Perceptron'"):
        networks.Perceptron  # noqa: B018
