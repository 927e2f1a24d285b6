"""Models that the code before the folders were divided trained: asked the same, they answer the same."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from pushforward.service.domain.inference import Question
from pushforward.service.engine.engine import Engine
from pushforward.service.engine.model_cache import ModelCache
from tests import old_store
from tests.service.engine.engines import CPU, answered

TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}  # 12.88 nats came out 1.2e-4 lower without vector instructions
# The engine learns how many rows a forward pass may have from measured time, and another number rounds differently.
ESTIMATE = ("diffusion@1", "log_prob")
ASKED = old_store.asked()


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    torch.set_num_threads(1)
    engine = Engine(ModelCache(old_store.STORE, CPU, 2**30), CPU)
    yield engine
    engine.close()


@pytest.mark.parametrize("reference", dict.fromkeys(each.fields["model"] for each in ASKED))
def test_an_old_model_answers_as_the_old_code_did(engine: Engine, reference: str) -> None:
    for each in (each for each in ASKED if each.fields["model"] == reference):
        (ticket,) = answered(engine, Question(**each.fields, arrays=each.given))
        assert ticket.error is None
        assert ticket.info == each.info
        assert ticket.arrays.keys() == each.answer.keys()
        for name, array in each.answer.items():
            if (reference, name) == ESTIMATE:
                np.testing.assert_allclose(ticket.arrays[name], array, rtol=1e-6)
            else:
                old_store.same(ticket.arrays[name], array, **TOLERANCE)
