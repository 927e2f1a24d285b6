"""`service.dispatch.routing`: which worker gets a request."""

from collections import Counter

from pushforward.service.dispatch.routing import BUSY_MS, Router

MODELS = [f"model-{i}@1" for i in range(300)]


def router(*ids: str) -> Router:
    router = Router(beat_s=1.0)
    router.update(dict.fromkeys(ids, 0.1))
    return router


def idle(_: str) -> float:
    return 0.0


def test_without_workers_there_is_no_route():
    assert router().route("m@1", idle) is None


def test_all_gateways_route_to_the_same_worker_in_whatever_order_they_learn_of_them():
    one, other = router("a", "b", "c"), router("c", "a", "b")
    assert [one.route(model, idle) for model in MODELS] == [other.route(model, idle) for model in MODELS]


def test_models_spread_over_the_workers():
    chosen = Counter(router("a", "b", "c").route(model, idle) for model in MODELS)
    assert set(chosen) == {"a", "b", "c"}
    assert min(chosen.values()) > len(MODELS) / 3 * 0.7


def test_when_a_worker_leaves_only_its_models_move():
    before, after = router("a", "b", "c"), router("a", "b")
    for model in MODELS:
        if before.route(model, idle) != "c":
            assert after.route(model, idle) == before.route(model, idle)


def test_a_busy_worker_spills_over_to_the_same_second_one():
    three = router("a", "b", "c")
    first = three.route("m@1", idle)
    second = three.route("m@1", lambda name: BUSY_MS + 1 if name == first else 0.0)
    assert second not in (first, None)
    third = three.route("m@1", lambda name: 0.0 if name not in (first, second) else BUSY_MS + 1)
    assert {first, second, third} == {"a", "b", "c"}


def test_where_all_are_busy_the_least_busy_is_chosen():
    loads = {"a": 900.0, "b": 400.0, "c": 700.0}
    assert router("a", "b", "c").route("m@1", loads.__getitem__) == "b"


def test_a_silent_worker_is_chosen_only_where_all_are_silent():
    some = Router(beat_s=1.0)
    some.update({"a": 4.0, "b": 0.1})
    assert {some.route(model, idle) for model in MODELS} == {"b"}
    some.update({"a": 4.0})
    assert some.route("m@1", idle) == "a"


def test_a_worker_that_left_is_not_chosen_until_it_is_there_again():
    two = router("a", "b")
    two.update({"b": 0.1})
    assert {two.route(model, idle) for model in MODELS} == {"b"}
    two.update({"a": 0.1, "b": 0.1})
    assert {two.route(model, idle) for model in MODELS} == {"a", "b"}
    two.update({})
    assert two.route("m@1", idle) is None


def test_silence_is_counted_in_beats_and_its_border_is_not_silent():
    """Two and a half beats, of whatever length."""
    for beat_s in (0.2, 1.0, 8.0):
        some = Router(beat_s=beat_s)
        some.update({"a": 2.5 * beat_s, "b": 2.51 * beat_s})
        assert {some.route(model, idle) for model in MODELS} == {"a"}


def test_a_worker_at_the_border_of_busy_is_chosen():
    two = router("a", "b")
    first = two.route("m@1", idle)
    assert two.route("m@1", lambda name: BUSY_MS if name == first else 0.0) == first
