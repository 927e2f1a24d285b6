"""Annotated shapes are checked in tests, and cost nothing elsewhere."""

import subprocess
import sys

import pytest
import torch
from jaxtyping import TypeCheckError

from pushforward.models.adversarial.kernels import RBF
from pushforward.models.distributions.gaussians import kl_to_prior_nats
from pushforward.models.geometry.distances import distances


def test_an_argument_of_another_shape_raises() -> None:
    assert distances(torch.zeros(2, 3), torch.zeros(4, 3)).shape == (2, 4)
    with pytest.raises(TypeCheckError):
        distances(torch.zeros(2, 3), torch.zeros(4, 5))


def test_a_method_of_a_configuration_is_checked() -> None:
    with pytest.raises(TypeCheckError):
        RBF().matrix(torch.zeros(2, 3), torch.zeros(2))


def test_the_type_of_numbers_is_checked() -> None:
    with pytest.raises(TypeCheckError):
        kl_to_prior_nats(torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 3))


def test_nothing_is_checked_or_imported_where_models_serve() -> None:
    code = (
        "import sys, torch; from pushforward.models.geometry.distances import distances;"
        "distances(torch.zeros(2, 3), torch.zeros(2, 3)); assert not {'jaxtyping', 'beartype'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
