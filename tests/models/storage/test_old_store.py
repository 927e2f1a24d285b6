"""A store that the code before the folders were divided wrote."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from pushforward.models.adversarial.critics import with_regularizers
from pushforward.models.capabilities import capabilities
from pushforward.models.run import Run
from pushforward.models.storage.model import load_model
from tests import old_store


def test_it_holds_every_family_of_that_code() -> None:
    stored = {load_model(old_store.STORE / name / "1", torch.device("cpu")).family.family for name in old_store.MODELS}
    assert stored == set(old_store.ORIGIN["families"])


def holds(now: Any, then: Any) -> bool:
    """Whether all that was said is said: options may have been added, and a game's regularizers stand beside it."""
    if isinstance(now, Mapping) and isinstance(then, Mapping):
        then = with_regularizers(then)
        return all(name in now and holds(now[name], value) for name, value in then.items())
    if isinstance(now, list) and isinstance(then, list):
        return len(now) == len(then) and all(map(holds, now, then))
    return bool(now == then)


@pytest.mark.parametrize("name", old_store.MODELS)
def test_a_model_loads_and_its_run_means_what_it_did(name: str) -> None:
    model = load_model(old_store.STORE / name / "1", torch.device("cpu"))
    run = Run.model_validate(model.card.run)
    assert holds(run.model_dump(mode="json"), model.card.run)
    assert capabilities(run.family) == model.card.capabilities
    assert sum(weights.numel() for weights in model.nets.parameters()) == model.card.n_parameters
