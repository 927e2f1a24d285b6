"""Which worker is asked."""

from collections import Counter

from pushforward.service.dispatch.routing import BUSY_MS, Fleet
from pushforward.service.domain.catalog import Worker

MODELS = [f"model-{i}@1" for i in range(300)]


def worker(id: str, silent_s: float = 0.1) -> Worker:
    return Worker(id=id, device="cpu", models=(), training=(), seen_at=0.0, silent_s=silent_s)


def fleet(*ids: str) -> Fleet:
    fleet = Fleet(beat_s=1.0)
    fleet.update([worker(each) for each in ids])
    return fleet


def idle(_: str) -> float:
    return 0.0


def test_without_workers_nobody_is_asked():
    assert fleet().choose("m@1", idle) is None


def test_all_gateways_ask_the_same_worker_whatever_the_order_they_heard_of_them():
    one, other = fleet("a", "b", "c"), fleet("c", "a", "b")
    assert [one.choose(model, idle) for model in MODELS] == [other.choose(model, idle) for model in MODELS]


def test_models_spread_over_the_workers():
    chosen = Counter(fleet("a", "b", "c").choose(model, idle) for model in MODELS)
    assert set(chosen) == {"a", "b", "c"}
    assert min(chosen.values()) > len(MODELS) / 3 * 0.7


def test_when_a_worker_leaves_only_its_models_move():
    before, after = fleet("a", "b", "c"), fleet("a", "b")
    for model in MODELS:
        if before.choose(model, idle) != "c":
            assert after.choose(model, idle) == before.choose(model, idle)


def test_a_busy_worker_spills_over_to_the_same_second_one():
    three = fleet("a", "b", "c")
    first = three.choose("m@1", idle)
    second = three.choose("m@1", lambda name: BUSY_MS + 1 if name == first else 0.0)
    assert second not in (first, None)
    third = three.choose("m@1", lambda name: 0.0 if name not in (first, second) else BUSY_MS + 1)
    assert {first, second, third} == {"a", "b", "c"}


def test_where_all_are_busy_the_least_busy_is_asked():
    loads = {"a": 900.0, "b": 400.0, "c": 700.0}
    assert fleet("a", "b", "c").choose("m@1", loads.__getitem__) == "b"


def test_a_silent_worker_is_asked_only_where_all_are_silent():
    some = Fleet(beat_s=1.0)
    some.update([worker("a", silent_s=4.0), worker("b")])
    assert {some.choose(model, idle) for model in MODELS} == {"b"}
    some.update([worker("a", silent_s=4.0)])
    assert some.choose("m@1", idle) == "a"


def test_a_worker_that_left_is_not_asked_until_it_is_heard_again():
    two = fleet("a", "b")
    two.lose("a")
    assert {two.choose(model, idle) for model in MODELS} == {"b"}
    two.update([worker("a"), worker("b")])
    assert {two.choose(model, idle) for model in MODELS} == {"a", "b"}


def test_silence_is_counted_in_beats_and_its_border_is_not_silent():
    """Two and a half beats, of whatever length."""
    for beat_s in (0.2, 1.0, 8.0):
        some = Fleet(beat_s=beat_s)
        some.update([worker("a", silent_s=2.5 * beat_s), worker("b", silent_s=2.51 * beat_s)])
        assert {some.choose(model, idle) for model in MODELS} == {"a"}


def test_a_worker_at_the_border_of_busy_is_asked():
    two = fleet("a", "b")
    first = two.choose("m@1", idle)
    assert two.choose("m@1", lambda name: BUSY_MS if name == first else 0.0) == first
