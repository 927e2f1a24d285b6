"""`service.runner.watch.updates`: what waits while Redis does not answer."""

from pushforward.service.domain.ports import Update
from pushforward.service.runner.watch.updates import MOST, PendingUpdates


def progress(step: int) -> Update:
    return Update("progress", {"step": step})


def picture(step: int, what: str = "samples") -> Update:
    return Update("picture", {"step": step, "what": what, "png": "..."})


def test_updates_wait_in_their_order_until_they_were_recorded() -> None:
    pending = PendingUpdates()
    for each in (progress(1), picture(1), progress(2)):
        pending.add(each)
    assert pending.all() == (progress(1), picture(1), progress(2))
    pending.clear()
    assert pending.all() == ()


def test_only_the_newest_picture_of_a_kind_waits_and_no_progress_is_lost_for_it() -> None:
    pending = PendingUpdates()
    for step in range(100):
        pending.add(progress(step))
        pending.add(picture(step))
        pending.add(picture(step, "density"))
    kept = pending.all()
    assert [each for each in kept if each.kind == "progress"] == [progress(step) for step in range(100)]
    assert [each for each in kept if each.kind == "picture"] == [picture(99), picture(99, "density")]


def test_a_long_outage_keeps_the_newest_updates() -> None:
    pending = PendingUpdates()
    for step in range(2 * MOST):
        pending.add(progress(step))
    assert pending.all() == tuple(progress(step) for step in range(MOST, 2 * MOST))
