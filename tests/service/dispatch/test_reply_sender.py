"""`service.dispatch.reply_sender`: large replies, sent by a thread to a real Redis."""

from pathlib import Path

import numpy as np
import redis

from pushforward.service.dispatch.consumer import Consumer
from pushforward.service.dispatch.frames import Answered, Refusal, Replies, decode_replies
from pushforward.service.dispatch.reply_sender import QUEUED, ReplySender
from pushforward.service.dispatch.stream import LARGE_BYTES, ReplyBatch
from pushforward.service.local import redis_server
from pushforward.service.settings import Settings


def batch(i: int, values: int = LARGE_BYTES) -> ReplyBatch:
    return ReplyBatch("pf:replies:me", Replies((Answered(i, {"x": np.full(values, i, np.float32)}, 1.0, 1),)), ())


def test_only_large_replies_go_by_the_reply_sender():
    assert batch(1).is_large
    assert not batch(1, values=784).is_large
    assert not ReplyBatch("me", Replies((Refusal(1, "internal", "no"),)), ()).is_large


def test_replies_arrive_in_the_order_given(redis_url: str):
    sender = ReplySender(Consumer(Settings(redis_url=redis_url), "w", 0.0))
    sender.start()
    for i in range(3 * QUEUED):
        sender.send(batch(i))
    assert sender.flush() == []
    sender.stop()
    with redis.Redis.from_url(redis_url) as client:
        arrived = [decode_replies(data).replies[0] for data in client.lrange("pf:replies:me", 0, -1)]
    assert [reply.id for reply in arrived] == list(range(3 * QUEUED))
    assert isinstance(arrived[5], Answered)
    np.testing.assert_array_equal(arrived[5].arrays["x"], np.full(LARGE_BYTES, 5))


def test_replies_that_cannot_be_sent_are_returned_once(tmp_path: Path):
    server, url = redis_server.start(tmp_path)
    sender = ReplySender(Consumer(Settings(redis_url=url), "w", 0.0))
    sender.start()
    server.kill()
    server.wait()
    mine = [batch(i) for i in range(3)]
    for each in mine:
        sender.send(each)
    assert sender.flush() == mine
    assert sender.take_failed() == []
    sender.stop()
