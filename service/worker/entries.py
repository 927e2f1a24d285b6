"""Reads an entry of a worker's stream: a frame of requests, a probe of a gateway, or malformed data."""

from __future__ import annotations

import logging

from pushforward.service.dispatch.consumer import Consumer
from pushforward.service.dispatch.frames import Answered, Frame, Replies, decode_frame
from pushforward.service.dispatch.framing import MalformedFrame, OtherVersion
from pushforward.service.dispatch.keys import is_reply_list
from pushforward.service.dispatch.stream import ReplyBatch, StreamEntry

log = logging.getLogger(__name__)


def read(entry: StreamEntry, consumer: Consumer) -> Frame | ReplyBatch | None:
    """A frame; or the reply to an entry that needs no engine; or None for an entry to drop."""
    if b"probe" in entry.fields:
        return _probe_reply(entry)
    try:
        frame = decode_frame(consumer.payload(entry.fields))
        if not is_reply_list(frame.reply_to):
            raise MalformedFrame(f"no list of replies: {frame.reply_to[:100]!r}")
        return frame
    except OtherVersion as error:
        log.warning("refused a frame: %s", error)
        if is_reply_list(error.reply_to):
            return ReplyBatch(error.reply_to, error.reply(), [(entry, entry.fields.get(b"key"))])
    except MalformedFrame as error:
        log.warning("dropped an entry of the stream: %s", error)
    return None


def _probe_reply(entry: StreamEntry) -> ReplyBatch | None:
    """The reply to a probe; None where it is malformed."""
    try:
        reply_to, probe = entry.fields[b"to"].decode(), int(entry.fields[b"probe"])
        if not is_reply_list(reply_to):
            raise ValueError("no list of replies")
    except (KeyError, ValueError) as error:
        log.warning("dropped a probe: %s", error)
        return None
    return ReplyBatch(reply_to, Replies((Answered(probe, {}, 0.0, 0),)), [(entry, None)])
