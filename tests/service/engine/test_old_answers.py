"""Models that the code before the folders were divided trained: asked the same, they answer the same."""

from collections.abc import Iterator

import pytest
import torch

from pushforward.service.domain.inference import InferenceRequest
from pushforward.service.engine.engine import Engine
from pushforward.service.engine.model_cache import ModelCache
from tests import old_store
from tests.service.engine.engines import CPU, Clock, asked, ticket

TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}  # 12.88 nats came out 1.2e-4 lower without vector instructions
ASKED = old_store.asked()


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """Calls take no time by its clock: slow ones it would divide, and rows round by how many share a call."""
    torch.set_num_threads(1)
    engine = Engine(ModelCache(old_store.STORE, CPU, 2**30), CPU, clock=Clock())
    yield engine
    engine.close()


@pytest.mark.parametrize("reference", dict.fromkeys(each.fields["model"] for each in ASKED))
def test_an_old_model_answers_as_the_old_code_did(engine: Engine, reference: str) -> None:
    for each in (each for each in ASKED if each.fields["model"] == reference):
        (answer,) = asked(engine, [ticket(InferenceRequest(**each.fields, arrays=each.given), clock=Clock())]).tickets
        assert answer.error is None
        assert answer.info == each.info
        assert answer.arrays.keys() == each.answer.keys()
        for name, array in each.answer.items():
            old_store.same(answer.arrays[name], array, **TOLERANCE)
