"""A store that the code before the folders were divided wrote."""

import pytest
import torch

from pushforward.models.family import capabilities
from pushforward.models.run import Run
from pushforward.models.storage.model import load_model
from tests import old_store


def test_it_holds_every_family_of_that_code() -> None:
    stored = {load_model(old_store.STORE / name / "1", torch.device("cpu")).family.family for name in old_store.MODELS}
    assert stored == set(old_store.ORIGIN["families"])


@pytest.mark.parametrize("name", old_store.MODELS)
def test_a_model_loads_and_its_run_means_what_it_did(name: str) -> None:
    model = load_model(old_store.STORE / name / "1", torch.device("cpu"))
    run = Run.model_validate(model.card.run)
    assert run.model_dump(mode="json").items() >= model.card.run.items()
    assert capabilities(run.family) == model.card.capabilities
    assert sum(weights.numel() for weights in model.nets.parameters()) == model.card.n_parameters
