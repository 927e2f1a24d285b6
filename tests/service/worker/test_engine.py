import shutil
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
import torch

from models.checkpoint import load_model
from models.noise import Noise
from models.sampling import sample
from service.domain import Question
from service.errors import Failed, Invalid, NotFound, TimedOut, Unsupported
from service.worker import engine as engine_module
from service.worker.engine import Engine, Ticket
from service.worker.residency import Residency
from tests.service.worker.models_on_disk import MOONS, put_model

CPU = torch.device("cpu")
X = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    torch.set_num_threads(1)
    put_model(tmp_path)
    engine = Engine(Residency(tmp_path, CPU, 2**30), CPU)
    yield engine
    engine.close()


def ticket(question: Question, seconds: float = 60.0) -> Ticket:
    return Ticket(question, monotonic() + seconds)


def answered(engine: Engine, *questions: Question) -> list[Ticket]:
    tickets = [ticket(question) for question in questions]
    engine.add(tickets)
    done = []
    while engine.busy:
        done += engine.turn()
    assert sorted(map(id, done)) == sorted(map(id, tickets))
    return tickets


def asks() -> list[Question]:
    walk = {"steps": 5, "path": "slerp"}
    return [
        Question(MOONS, "sample", 3, 11),
        Question(MOONS, "sample", 700, 12),
        Question(MOONS, "likelihood", 4, 5, {"k": 3}, {"x": X[:4]}),
        Question(MOONS, "likelihood", 30, 6, {"k": 3}, {"x": X[4:34]}),
        Question(MOONS, "encode", 2, 0, {}, {"x": X[:2]}),
        Question(MOONS, "encode", 9, 0, {}, {"x": X[5:14]}),
        Question(MOONS, "decode", 7, 0, {}, {"z": X[:7]}),
        Question(MOONS, "reconstruct", 40, 0, {}, {"x": X}),
        Question(MOONS, "interpolate", 5, 0, {**walk, "start_seed": 1, "end_seed": 2**64 - 1}),
        Question(MOONS, "interpolate", 5, 0, walk, {"start": X[:1], "end": X[1:2]}),
    ]


def test_batch_mates_do_not_change_an_answer(engine: Engine):
    together = answered(engine, *asks(), *reversed(asks()))
    for question, first, second in zip(asks(), together, reversed(together), strict=False):
        (alone,) = answered(engine, question)
        assert alone.error is None
        assert alone.arrays
        for name, array in alone.arrays.items():
            assert array.shape[0] == question.rows
            for mate in (first, second):
                np.testing.assert_allclose(mate.arrays[name], array, rtol=1e-4, atol=1e-5)


def test_samples_are_those_of_the_library(engine: Engine, tmp_path: Path):
    (mine,) = answered(engine, Question(MOONS, "sample", 700, 12))
    model = load_model(tmp_path / "moons" / "1", CPU)
    sampler = model.family.sampler(model.nets, model.family.SampleOptions())
    np.testing.assert_allclose(mine.arrays["samples"], sample(sampler, Noise.rows(12, 700)), rtol=1e-4, atol=1e-5)


def test_a_likelihood_says_what_kind_it_is(engine: Engine):
    (mine,) = answered(engine, Question(MOONS, "likelihood", 4, 5, {"k": 3}, {"x": X[:4]}))
    assert mine.info == {"kind": "lower_bound"}
    assert mine.arrays["log_prob"].dtype == np.float64
    assert mine.arrays["std_error"].shape == (4,)


def test_questions_of_one_key_share_a_call(engine: Engine):
    for mate in answered(engine, *(Question(MOONS, "sample", 2, seed) for seed in range(10))):
        assert mate.batch_rows == 20
        assert mate.compute_ms > 0


@pytest.mark.parametrize("place", [0, 3, 6])
@pytest.mark.parametrize("shape", [(2, 5), (3, 3, 3)])
def test_a_poisoned_question_fails_alone(engine: Engine, place: int, shape: tuple[int, ...]):
    good = [Question(MOONS, "encode", 3, 0, {}, {"x": X[i : i + 3]}) for i in range(6)]
    bad = Question(MOONS, "encode", len(np.zeros(shape)), 0, {}, {"x": np.zeros(shape, np.float32)})
    tickets = answered(engine, *good[:place], bad, *good[place:])
    poisoned = tickets.pop(place)
    assert isinstance(poisoned.error, Failed)
    for question, mate in zip(good, tickets, strict=True):
        assert mate.error is None
        np.testing.assert_allclose(mate.arrays["z"], answered(engine, question)[0].arrays["z"], rtol=1e-4, atol=1e-5)


def test_an_answer_that_is_not_finite_is_refused_alone(engine: Engine):
    bad = Question(MOONS, "decode", 1, 0, {}, {"z": np.full((1, 2), np.nan, np.float32)})
    refused, fine = answered(engine, bad, Question(MOONS, "decode", 1, 0, {}, {"z": X[:1]}))
    assert isinstance(refused.error, Failed)
    assert "not finite" in refused.error.detail
    assert fine.error is None


def test_a_question_of_the_wrong_rows_names_its_field(engine: Engine):
    wrong, fine = answered(
        engine,
        Question(MOONS, "encode", 4, 0, {}, {"x": X[:2]}),
        Question(MOONS, "encode", 2, 0, {}, {"x": X[:2]}),
    )
    assert isinstance(wrong.error, Invalid)
    assert wrong.error.errors[0].field == "x"
    assert fine.error is None


def test_an_expired_question_is_dropped_before_it_costs(engine: Engine):
    late, timely = ticket(Question(MOONS, "sample", 5, 0), seconds=-1), ticket(Question(MOONS, "sample", 2, 1))
    engine.add([late, timely])
    assert set(engine.turn()) == {late, timely}
    assert isinstance(late.error, TimedOut)
    assert late.compute_ms == 0
    assert timely.batch_rows == 2


def test_keys_take_turns(engine: Engine):
    big, small = ticket(Question(MOONS, "sample", 5 * engine_module.MAX_CALL_ROWS, 0)), ticket(asks()[4])
    engine.add([big, small])
    assert engine.turn() == []
    assert engine.turn() == [small]


def test_a_model_that_is_gone_refuses_all_its_questions(engine: Engine, tmp_path: Path):
    shutil.rmtree(tmp_path / "moons")
    for refused in answered(engine, *asks()):
        assert isinstance(refused.error, NotFound)


def test_what_a_model_cannot_do_names_what_it_can(engine: Engine):
    (refused,) = answered(engine, Question(MOONS, "sample", 1, 0, {"no_such_option": 1}))
    assert isinstance(refused.error, (Failed, Unsupported))
