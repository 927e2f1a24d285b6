"""`service.worker.slots`: which queues are read."""

import pytest

from pushforward.service.worker.slots import STARTED_S, Slots


def test_a_queue_is_read_only_while_its_kind_has_a_free_slot() -> None:
    slots = Slots({"train": 1, "sample": 2})
    cycle = slots.cycle()
    cycle.update(["train", "sample"])
    assert cycle.consume(2) == ["train", "sample"]
    cycle.rotate("train")
    assert cycle.consume(2) == ["sample"]
    with slots.running("train"):
        assert cycle.consume(2) == ["sample"]
        cycle.rotate("sample")
        cycle.rotate("sample")
        assert cycle.consume(2) == []
    assert cycle.consume(2) == ["train"]


def test_queues_take_turns() -> None:
    cycle = Slots({"train": 9, "sample": 9}).cycle()
    cycle.update(["train", "sample"])
    assert cycle.rotate("train") == "train"
    assert cycle.consume(1) == ["sample"]
    cycle.rotate("sample")
    assert cycle.consume(1) == ["train"]


def test_a_message_that_started_no_job_holds_no_slot_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("pushforward.service.worker.slots.monotonic", lambda: now[0])
    slots = Slots({"train": 1})
    slots.take("train")
    assert slots.free("train") == 0
    now[0] = STARTED_S + 1
    assert slots.free("train") == 1


def test_what_was_read_and_is_no_message_holds_no_slot() -> None:
    cycle = Slots({"train": 1, "sample": 1}).cycle()
    cycle.update(["train", "sample"])
    cycle.rotate("sample")
    cycle.rotate("train")
    cycle.discarded()
    assert cycle.consume(2) == ["train"]


def test_a_slot_is_free_again_after_a_defect() -> None:
    slots = Slots({"train": 1})
    with pytest.raises(RuntimeError), slots.running("train"):
        raise RuntimeError
    assert (slots.free("train"), slots.total) == (1, 1)
