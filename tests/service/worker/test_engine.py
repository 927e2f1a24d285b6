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
from tests.service.worker.models_on_disk import DOTS, MOONS, STEPS, put_dots, put_model, put_steps

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
        done += engine.turn().done
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
    for far in (np.nan, np.inf):
        bad = Question(MOONS, "decode", 1, 0, {}, {"z": np.full((1, 2), far, np.float32)})
        refused, fine = answered(engine, bad, Question(MOONS, "decode", 1, 0, {}, {"z": X[:1]}))
        assert isinstance(refused.error, Invalid)
        assert refused.error.errors[0].field == "z"
        assert fine.error is None


def test_a_model_that_draws_what_is_not_finite_is_at_fault(tmp_path: Path):
    put_model(tmp_path)
    engine = Engine(Residency(tmp_path, CPU, 2**30), CPU)
    with engine._residency.use(MOONS) as held, torch.no_grad():
        for weight in held.nets.parameters():
            weight.fill_(torch.nan)
        (refused,) = answered(engine, Question(MOONS, "sample", 1, 0))
    assert isinstance(refused.error, Failed)
    assert "not finite" in refused.error.detail


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
    assert set(engine.turn().done) == {late, timely}
    assert isinstance(late.error, TimedOut)
    assert late.compute_ms == 0
    assert timely.batch_rows == 2


def test_many_that_expire_at_once_go_at_once(engine: Engine):
    late = [ticket(Question(MOONS, "sample", 1, seed), seconds=-1) for seed in range(20_000)]
    engine.add(late)
    assert engine.turn().done == late
    assert not engine.busy


class TestSteps:
    """Samplers of many steps."""

    @pytest.fixture(autouse=True)
    def model(self, tmp_path: Path) -> None:
        put_steps(tmp_path)

    @staticmethod
    def alone(tmp_path: Path, question: Question) -> np.ndarray:
        """The library's own answer."""
        model = load_model(tmp_path / "steps" / "1", CPU)
        sampler = model.family.sampler(model.nets, model.family.SampleOptions.model_validate(dict(question.options)))
        return np.asarray(sample(sampler, Noise.rows(question.seed, question.rows)))

    @pytest.mark.parametrize(
        "options",
        [{"steps": 6}, {"steps": 6, "eta": 1.0}, {"sampler": "ancestral", "steps": 6}, {"sampler": "sde", "steps": 6}],
        ids=str,
    )
    def test_rows_join_and_leave_between_steps_and_answer_as_if_alone(
        self, engine: Engine, tmp_path: Path, options: dict[str, object]
    ):
        tickets = [ticket(Question(STEPS, "sample", n, seed, options)) for n, seed in ((3, 1), (2, 2), (4, 3))]
        engine.add(tickets[:1])
        turns = dict.fromkeys(tickets, 0)
        for turn in range(1, 12):
            if turn in (3, 5):
                engine.add([tickets[turn // 2]])
            for done in engine.turn().done:
                turns[done] = turn
        assert list(turns.values()) == [6, 8, 10]
        assert [each.batch_rows for each in tickets] == [9, 9, 9]
        for each in tickets:
            assert each.error is None
            expected = self.alone(tmp_path, each.question)
            np.testing.assert_allclose(each.arrays["samples"], expected, rtol=1e-4, atol=1e-5)

    def test_more_rows_than_a_call_takes_go_on_as_others_leave(self, engine: Engine, tmp_path: Path):
        question = Question(STEPS, "sample", engine_module.MAX_CALL_ROWS + 100, 4, {"steps": 3})
        (mine,) = answered(engine, question)
        np.testing.assert_allclose(mine.arrays["samples"], self.alone(tmp_path, question), rtol=1e-4, atol=1e-5)

    def test_an_expired_question_frees_its_rows_between_steps(self, engine: Engine, tmp_path: Path):
        full = ticket(Question(STEPS, "sample", engine_module.MAX_CALL_ROWS, 1, {"steps": 20}))
        small = ticket(Question(STEPS, "sample", 2, 2, {"steps": 20}))
        engine.add([full, small])
        assert engine.turn().done == engine.turn().done == []
        assert small.joined == 0
        full.deadline = monotonic()
        assert engine.turn().done == [full]
        assert isinstance(full.error, TimedOut)
        assert (small.joined, small.batch_rows) == (2, 2)
        while engine.busy:
            engine.turn()
        expected = self.alone(tmp_path, small.question)
        np.testing.assert_allclose(small.arrays["samples"], expected, rtol=1e-4, atol=1e-5)

    def test_more_steps_than_the_model_has_names_its_field(self, engine: Engine):
        (refused,) = answered(engine, Question(STEPS, "sample", 1, 0, {"steps": 21}))
        assert isinstance(refused.error, Invalid)
        assert refused.error.errors[0].field == "options.steps"


class TestRange:
    """Data of 0 to 4 in steps of 2."""

    @pytest.fixture(autouse=True)
    def model(self, tmp_path: Path) -> None:
        put_dots(tmp_path)

    def test_samples_lie_on_levels(self, engine: Engine):
        (mine,) = answered(engine, Question(DOTS, "sample", 200, 1))
        assert set(np.unique(mine.arrays["samples"])) == {0.0, 2.0, 4.0}

    @pytest.mark.parametrize("spread", [1.0, 1000.0])
    def test_what_is_decoded_lies_in_the_range(self, engine: Engine, spread: float):
        walk = {"steps": 5, "path": "linear"}
        x = np.float32([[0, 4, 4, 0], [2, 2, 2, 2]])
        for each in answered(
            engine,
            Question(DOTS, "decode", 40, 0, {}, {"z": spread * X}),
            Question(DOTS, "reconstruct", 2, 0, {}, {"x": x}),
            Question(DOTS, "interpolate", 5, 0, walk, {"start": x[:1], "end": x[1:]}),
            Question(DOTS, "interpolate", 5, 0, {**walk, "start_seed": 1, "end_seed": 2}),
        ):
            assert each.error is None
            assert each.arrays["x"].min() >= 0
            assert each.arrays["x"].max() <= 4

    def test_what_is_decoded_is_not_rounded(self, engine: Engine):
        (mine,) = answered(engine, Question(DOTS, "decode", 40, 0, {}, {"z": X}))
        assert len(np.unique(mine.arrays["x"])) > 3


def test_keys_take_turns(engine: Engine):
    big, small = ticket(Question(MOONS, "sample", 5 * engine_module.MAX_CALL_ROWS, 0)), ticket(asks()[4])
    engine.add([big, small])
    assert engine.turn().done == []
    assert engine.turn().done == [small]


def test_a_model_that_is_gone_refuses_all_its_questions(engine: Engine, tmp_path: Path):
    shutil.rmtree(tmp_path / "moons")
    for refused in answered(engine, *asks()):
        assert isinstance(refused.error, NotFound)


def test_what_a_model_cannot_do_names_what_it_can(engine: Engine):
    (refused,) = answered(engine, Question(MOONS, "sample", 1, 0, {"no_such_option": 1}))
    assert isinstance(refused.error, (Failed, Unsupported))
