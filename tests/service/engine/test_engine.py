import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from pushforward.service.domain.errors import Failed, Invalid, NotFound, TimedOut, Unsupported
from pushforward.service.domain.inference import InferenceRequest
from pushforward.service.engine.costs import FIRST_CAP
from pushforward.service.engine.engine import Engine
from pushforward.service.engine.model_cache import ModelCache
from tests.service.engine.engines import (
    CPU,
    Clock,
    answered,
    asked,
    begin,
    close_to,
    held,
    library,
    ticket,
    until_idle,
    watch,
)
from tests.service.models_on_disk import DOTS, MOONS, STEPS, TURNED, put_dots, put_model, put_steps, put_turned

X = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)


@pytest.fixture
def model_cache(tmp_path: Path) -> ModelCache:
    torch.set_num_threads(1)
    put_model(tmp_path)
    return ModelCache(tmp_path, CPU, 2**30)


@pytest.fixture
def engine(model_cache: ModelCache) -> Iterator[Engine]:
    engine = Engine(model_cache, CPU)
    yield engine
    engine.close()


def asks() -> list[InferenceRequest]:
    walk = {"steps": 5, "path": "slerp"}
    return [
        InferenceRequest(MOONS, "sample", 3, 11),
        InferenceRequest(MOONS, "sample", 700, 12),
        InferenceRequest(MOONS, "likelihood", 4, 5, {"k": 3}, {"x": X[:4]}),
        InferenceRequest(MOONS, "likelihood", 30, 6, {"k": 3}, {"x": X[4:34]}),
        InferenceRequest(MOONS, "encode", 2, 0, {}, {"x": X[:2]}),
        InferenceRequest(MOONS, "encode", 9, 0, {}, {"x": X[5:14]}),
        InferenceRequest(MOONS, "decode", 7, 0, {}, {"z": X[:7]}),
        InferenceRequest(MOONS, "reconstruct", 40, 0, {}, {"x": X}),
        InferenceRequest(MOONS, "interpolate", 5, 0, {**walk, "start_seed": 1, "end_seed": 2**64 - 1}),
        InferenceRequest(MOONS, "interpolate", 5, 0, walk, {"start": X[:1], "end": X[1:2]}),
    ]


def test_batch_mates_do_not_change_an_answer(engine: Engine):
    together = answered(engine, *asks(), *reversed(asks()))
    for request, first, second in zip(asks(), together, reversed(together), strict=False):
        (alone,) = answered(engine, request)
        assert alone.error is None
        assert alone.arrays
        for name, array in alone.arrays.items():
            assert array.shape[0] == request.rows
            for mate in (first, second):
                close_to(mate.arrays[name], array)


def test_samples_are_those_of_the_library(engine: Engine, tmp_path: Path):
    (mine,) = answered(engine, InferenceRequest(MOONS, "sample", 700, 12, first=5))
    close_to(mine.arrays["samples"], library(tmp_path, mine.request))


def test_a_likelihood_says_what_kind_it_is(engine: Engine):
    (mine,) = answered(engine, InferenceRequest(MOONS, "likelihood", 4, 5, {"k": 3}, {"x": X[:4]}))
    assert mine.info == {"kind": "lower_bound"}
    assert mine.arrays["log_prob"].dtype == np.float64
    assert mine.arrays["std_error"].shape == (4,)


def test_requests_of_one_key_share_a_call(engine: Engine):
    for mate in answered(engine, *(InferenceRequest(MOONS, "sample", 2, seed) for seed in range(10))):
        assert mate.batch_rows == 20
        assert mate.compute_ms > 0


@pytest.mark.parametrize("place", [0, 3, 6])
@pytest.mark.parametrize("shape", [(2, 5), (3, 3, 3)])
def test_a_poisoned_request_fails_alone(engine: Engine, place: int, shape: tuple[int, ...]):
    good = [InferenceRequest(MOONS, "encode", 3, 0, {}, {"x": X[i : i + 3]}) for i in range(6)]
    bad = InferenceRequest(MOONS, "encode", len(np.zeros(shape)), 0, {}, {"x": np.zeros(shape, np.float32)})
    tickets = answered(engine, *good[:place], bad, *good[place:])
    poisoned = tickets.pop(place)
    assert isinstance(poisoned.error, Failed)
    for request, mate in zip(good, tickets, strict=True):
        assert mate.error is None
        close_to(mate.arrays["z"], answered(engine, request)[0].arrays["z"])


def test_an_answer_that_is_not_finite_is_refused_alone(engine: Engine):
    for far in (np.nan, np.inf):
        bad = InferenceRequest(MOONS, "decode", 1, 0, {}, {"z": np.full((1, 2), far, np.float32)})
        refused, fine = answered(engine, bad, InferenceRequest(MOONS, "decode", 1, 0, {}, {"z": X[:1]}))
        assert isinstance(refused.error, Invalid)
        assert refused.error.errors[0].field == "z"
        assert fine.error is None


@pytest.mark.parametrize("given", [{}, {"condition": np.ones((1, 1), np.float32)}], ids=["untold", "told"])
def test_a_model_that_draws_what_is_not_finite_is_at_fault(
    engine: Engine, model_cache: ModelCache, given: dict[str, np.ndarray]
):
    with held(model_cache, MOONS) as model, torch.no_grad():
        for weight in model.nets.parameters():
            weight.fill_(torch.nan)
        (refused,) = answered(engine, InferenceRequest(MOONS, "sample", 1, 0, {}, given))
    assert isinstance(refused.error, Failed)
    assert "not finite" in refused.error.detail


@pytest.mark.parametrize("condition", [1.0, 1e30])
def test_rows_too_far_out_are_blamed_and_not_what_comes_beside_them(engine: Engine, condition: float):
    given = {"z": np.full((1, 2), np.inf, np.float32), "condition": np.full((1, 1), condition, np.float32)}
    (refused,) = answered(engine, InferenceRequest(MOONS, "decode", 1, 0, {}, given))
    assert isinstance(refused.error, Invalid)
    assert [error.field for error in refused.error.errors] == ["z"]


def test_a_condition_too_far_out_is_blamed_where_it_comes_alone(engine: Engine, model_cache: ModelCache):
    with held(model_cache, MOONS) as model, torch.no_grad():
        for weight in model.nets.parameters():
            weight.fill_(torch.nan)
        far = {"condition": np.full((1, 1), 1e30, np.float32)}
        (refused,) = answered(engine, InferenceRequest(MOONS, "sample", 1, 0, {}, far))
    assert isinstance(refused.error, Invalid)
    assert [error.field for error in refused.error.errors] == ["condition"]


def test_a_request_of_the_wrong_rows_names_its_field(engine: Engine):
    wrong, fine = answered(
        engine,
        InferenceRequest(MOONS, "encode", 4, 0, {}, {"x": X[:2]}),
        InferenceRequest(MOONS, "encode", 2, 0, {}, {"x": X[:2]}),
    )
    assert isinstance(wrong.error, Invalid)
    assert wrong.error.errors[0].field == "x"
    assert fine.error is None


def test_an_expired_request_is_dropped_before_it_costs(engine: Engine):
    late, timely = (
        ticket(InferenceRequest(MOONS, "sample", 5, 0), seconds=-1),
        ticket(InferenceRequest(MOONS, "sample", 2, 1)),
    )
    assert set(begin(engine, late, timely).done) == {late, timely}
    assert isinstance(late.error, TimedOut)
    assert late.compute_ms == 0
    assert timely.batch_rows == 2


def test_many_that_expire_at_once_go_at_once(engine: Engine):
    late = [ticket(InferenceRequest(MOONS, "sample", 1, seed), seconds=-1) for seed in range(20_000)]
    engine.add(late)
    assert engine.turn().done == late
    assert not engine.busy


def test_the_earliest_deadline_joins_first(engine: Engine):
    tickets = [
        ticket(InferenceRequest(MOONS, "sample", FIRST_CAP, seed), seconds) for seed, seconds in enumerate((30, 10, 20))
    ]
    assert asked(engine, tickets).tickets == [tickets[1], tickets[2], tickets[0]]


def test_a_cancelled_request_frees_its_room_at_once(engine: Engine):
    waiting, fine, stranger = (ticket(InferenceRequest(MOONS, "sample", n, n)) for n in (FIRST_CAP, 2, 3))
    engine.add([waiting, fine])
    engine.cancel([waiting, stranger, waiting])
    engine.wait(10)
    turn = engine.turn()
    assert set(turn.done) == {waiting, fine}
    assert isinstance(waiting.error, TimedOut)
    assert waiting.error.detail == "given up"
    assert fine.batch_rows == 2
    assert turn.call is not None
    assert turn.call.reason == "drained"
    assert not engine.busy


def test_a_turn_tells_its_call_and_why_it_was_made(engine: Engine):
    tickets = [
        ticket(InferenceRequest(MOONS, "sample", FIRST_CAP, 0), 10),
        ticket(InferenceRequest(MOONS, "sample", 3, 1)),
    ]
    first, second = asked(engine, tickets).calls
    assert (first.model, first.op, first.rows, first.cap, first.reason) == (MOONS, "sample", 64, 64, "full")
    assert (second.rows, second.reason) == (3, "drained")


class TestLoads:
    """Models on their way into memory."""

    def test_requests_of_other_models_are_answered_meanwhile(self, model_cache: ModelCache, tmp_path: Path):
        put_steps(tmp_path)
        engine = Engine(model_cache, CPU)
        with held(model_cache, MOONS):
            gate = threading.Event()
            model_cache._loader.submit(gate.wait)
            slow, quick = (
                ticket(InferenceRequest(STEPS, "sample", 1, 0, {"sampler": "ddim", "steps": 2})),
                ticket(InferenceRequest(MOONS, "sample", 1, 0)),
            )
            engine.add([slow])
            assert engine.busy
            assert not engine.ready
            engine.add([quick])
            assert engine.ready
            assert engine.turn().done == [quick]
            assert not engine.ready
            gate.set()
            assert until_idle(engine).tickets == [slow]

    def test_a_request_that_expires_while_its_model_loads_is_refused(self, model_cache: ModelCache):
        clock = Clock()
        engine = Engine(model_cache, CPU, clock=clock)
        gate = threading.Event()
        model_cache._loader.submit(gate.wait)
        late = ticket(InferenceRequest(MOONS, "sample", 1, 0), 5, clock)
        engine.add([late])
        clock.now += 5
        assert engine.ready
        assert engine.turn().done == [late]
        assert isinstance(late.error, TimedOut)
        gate.set()

    def test_a_version_made_anew_answers_new_requests_and_the_old_one_those_it_had(
        self, engine: Engine, tmp_path: Path
    ):
        folder = put_steps(tmp_path)
        old = ticket(InferenceRequest(STEPS, "sample", 2, 1, {"sampler": "ddim", "steps": 5}))
        expected_old = library(tmp_path, old.request)
        begin(engine, old)
        shutil.rmtree(folder)
        put_steps(tmp_path, seed=1)
        new = ticket(old.request)
        asked_of_new = library(tmp_path, new.request)
        engine.add([new])
        until_idle(engine)
        close_to(old.arrays["samples"], expected_old)
        close_to(new.arrays["samples"], asked_of_new)
        assert np.abs(asked_of_new - expected_old).max() > 0.01

    def test_a_version_deleted_finishes_what_it_has_and_takes_no_more(self, engine: Engine, tmp_path: Path):
        folder = put_steps(tmp_path)
        old, new = (ticket(InferenceRequest(STEPS, "sample", 2, 1, {"sampler": "ddim", "steps": 5})) for _ in range(2))
        begin(engine, old)
        shutil.rmtree(folder)
        engine.add([new])
        until_idle(engine)
        assert old.error is None
        assert isinstance(new.error, NotFound)


class TestSteps:
    """Samplers of many steps."""

    @pytest.fixture(autouse=True)
    def model(self, tmp_path: Path) -> None:
        put_steps(tmp_path)

    @pytest.mark.parametrize(
        "options",
        [
            {"sampler": "ddim", "steps": 6},
            {"sampler": "ddim", "steps": 6, "eta": 1.0},
            {"sampler": "ancestral", "steps": 6},
            {"sampler": "sde", "steps": 6},
        ],
        ids=str,
    )
    def test_rows_join_and_leave_between_steps_and_answer_as_if_alone(
        self, engine: Engine, tmp_path: Path, options: dict[str, object]
    ):
        tickets = [ticket(InferenceRequest(STEPS, "sample", n, seed, options)) for n, seed in ((3, 1), (2, 2), (4, 3))]
        engine.add(tickets[:1])
        engine.wait(10)
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
            close_to(each.arrays["samples"], library(tmp_path, each.request))

    def test_more_rows_than_a_call_takes_go_on_as_others_leave(self, engine: Engine, tmp_path: Path):
        request = InferenceRequest(STEPS, "sample", 3 * FIRST_CAP + 10, 4, {"sampler": "ddim", "steps": 3})
        (mine,) = answered(engine, request)
        close_to(mine.arrays["samples"], library(tmp_path, request))

    def test_an_expired_request_frees_its_rows_between_steps(self, model_cache: ModelCache, tmp_path: Path):
        clock = Clock()
        engine = Engine(model_cache, CPU, clock=clock)
        watch(model_cache, STEPS, "denoiser", lambda _: clock.go(15))
        full = ticket(InferenceRequest(STEPS, "sample", FIRST_CAP, 1, {"sampler": "ddim", "steps": 20}), 5, clock)
        small = ticket(InferenceRequest(STEPS, "sample", 2, 2, {"sampler": "ddim", "steps": 20}), 50, clock)
        assert begin(engine, full, small).done == engine.turn().done == []
        assert small.joined == 0
        assert small.started_at is None
        clock.now = joined_at = clock.now + 5
        assert engine.turn().done == [full]
        assert isinstance(full.error, TimedOut)
        assert (small.joined, small.batch_rows, small.started_at) == (2, 2, joined_at)
        until_idle(engine)
        close_to(small.arrays["samples"], library(tmp_path, small.request))

    def test_each_expires_at_its_own_deadline(self, model_cache: ModelCache):
        clock = Clock()
        engine = Engine(model_cache, CPU, clock=clock)
        tickets = [
            ticket(InferenceRequest(STEPS, "sample", 2, 1, {"sampler": "ddim", "steps": 20}), seconds, clock)
            for seconds in (3, 9, 6)
        ]
        begin(engine, *tickets)
        for left, at in ((2, 3), (1, 6), (0, 9)):
            clock.now = 1000.0 + at
            (gone,) = engine.turn().done
            assert gone.deadline == clock.now
            assert engine.busy == bool(left)

    def test_a_cancelled_request_frees_its_rows_between_steps(self, engine: Engine, tmp_path: Path):
        gone, stays = (ticket(InferenceRequest(STEPS, "sample", n, n, {"sampler": "ddim", "steps": 6})) for n in (3, 2))
        begin(engine, gone, stays)
        engine.cancel([gone])
        turn = engine.turn()
        assert turn.done == [gone]
        assert turn.call is not None
        assert turn.call.rows == 2
        until_idle(engine)
        close_to(stays.arrays["samples"], library(tmp_path, stays.request))

    def test_likelihoods_at_different_steps_share_calls(self, engine: Engine):
        options = {"steps": 4, "divergence": "hutchinson", "draws": 2}
        early, late = (
            InferenceRequest(STEPS, "likelihood", 3, seed, options, {"x": X[seed : seed + 3]}) for seed in (1, 2)
        )
        alone = [each.arrays for request in (early, late) for each in answered(engine, request)]
        tickets = [ticket(early), ticket(late)]
        begin(engine, tickets[0])
        engine.turn()
        asked(engine, [tickets[1]], under_way=[tickets[0]])
        for each, expected in zip(tickets, alone, strict=True):
            assert each.batch_rows == 6
            assert each.info == {"kind": "estimate"}
            for name in ("log_prob", "std_error"):
                np.testing.assert_allclose(each.arrays[name], expected[name], rtol=1e-4, atol=1e-4)

    def test_more_steps_than_the_model_has_names_its_field(self, engine: Engine):
        (refused,) = answered(engine, InferenceRequest(STEPS, "sample", 1, 0, {"sampler": "ddim", "steps": 21}))
        assert isinstance(refused.error, Invalid)
        assert refused.error.errors[0].field == "options.steps"


class TestTranslations:
    """Between two domains of the plane."""

    @pytest.fixture(autouse=True)
    def model(self, tmp_path: Path) -> None:
        put_turned(tmp_path)

    def translations(self) -> list[InferenceRequest]:
        c = (np.arange(40) % 2)[:, None].astype(np.float32)
        x, to = {"x": X}, {"to": 1 - c}
        return [
            InferenceRequest(TURNED, "translate", 40, 0, {}, {**x, **to, "condition": c}),
            InferenceRequest(TURNED, "translate", 3, 0, {}, {"x": X[:3], "to": c[:3], "condition": c[:3]}),
            InferenceRequest(TURNED, "reconstruct", 40, 0, {}, {**x, "condition": c}),
        ]

    def test_batch_mates_do_not_change_a_translation(self, engine: Engine):
        together = answered(engine, *self.translations(), *reversed(self.translations()))
        for request, mate in zip(self.translations(), together, strict=False):
            (alone,) = answered(engine, request)
            assert alone.error is None
            close_to(mate.arrays["x"], alone.arrays["x"])

    def test_a_row_goes_where_it_is_sent_and_a_cycle_goes_there_and_back(self, engine: Engine):
        there, stays, cycle = (each.arrays["x"] for each in answered(engine, *self.translations()))
        c = (np.arange(40) % 2)[:, None].astype(np.float32)
        back = InferenceRequest(TURNED, "translate", 40, 0, {}, {"x": there, "to": c, "condition": 1 - c})
        close_to(answered(engine, back)[0].arrays["x"], cycle)
        np.testing.assert_array_equal(stays, X[:3])
        assert not np.isclose(there, X).all(1).any()

    @pytest.mark.parametrize("missing", ["x", "to"])
    def test_a_request_that_lacks_an_array_or_rows_of_it_is_refused(self, engine: Engine, missing: str):
        request = self.translations()[0]
        short = {name: array[:3] if name == missing else array for name, array in request.arrays.items()}
        (refused,) = answered(engine, InferenceRequest(TURNED, "translate", 40, 0, {}, short))
        assert isinstance(refused.error, Invalid)
        assert refused.error.errors[0].field == missing

    def test_rows_too_far_out_are_blamed_and_not_their_domains(self, engine: Engine):
        c = np.zeros((1, 1), np.float32)
        far = {"x": np.full((1, 2), np.inf, np.float32), "to": 1 - c, "condition": c}
        (refused,) = answered(engine, InferenceRequest(TURNED, "translate", 1, 0, {}, far))
        assert isinstance(refused.error, Invalid)
        assert refused.error.errors[0].field == "x"


class TestRange:
    """Data of 0 to 4 in steps of 2."""

    @pytest.fixture(autouse=True)
    def model(self, tmp_path: Path) -> None:
        put_dots(tmp_path)

    def test_samples_lie_on_levels(self, engine: Engine):
        (mine,) = answered(engine, InferenceRequest(DOTS, "sample", 200, 1))
        assert set(np.unique(mine.arrays["samples"])) == {0.0, 2.0, 4.0}

    @pytest.mark.parametrize("spread", [1.0, 1000.0])
    def test_what_is_decoded_lies_in_the_range(self, engine: Engine, spread: float):
        walk = {"steps": 5, "path": "linear"}
        x = np.float32([[0, 4, 4, 0], [2, 2, 2, 2]])
        for each in answered(
            engine,
            InferenceRequest(DOTS, "decode", 40, 0, {}, {"z": spread * X}),
            InferenceRequest(DOTS, "reconstruct", 2, 0, {}, {"x": x}),
            InferenceRequest(DOTS, "interpolate", 5, 0, walk, {"start": x[:1], "end": x[1:]}),
            InferenceRequest(DOTS, "interpolate", 5, 0, {**walk, "start_seed": 1, "end_seed": 2}),
        ):
            assert each.error is None
            assert each.arrays["x"].min() >= 0
            assert each.arrays["x"].max() <= 4

    def test_what_is_decoded_is_not_rounded(self, engine: Engine):
        (mine,) = answered(engine, InferenceRequest(DOTS, "decode", 40, 0, {}, {"z": X}))
        assert len(np.unique(mine.arrays["x"])) > 3


def test_a_model_that_is_gone_refuses_all_its_requests(engine: Engine, tmp_path: Path):
    shutil.rmtree(tmp_path / "moons")
    for refused in answered(engine, *asks()):
        assert isinstance(refused.error, NotFound)


def test_what_a_model_cannot_do_names_what_it_can(engine: Engine):
    (refused,) = answered(engine, InferenceRequest(MOONS, "sample", 1, 0, {"no_such_option": 1}))
    assert isinstance(refused.error, (Failed, Unsupported))
