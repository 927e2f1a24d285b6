"""Entries of a worker's stream, and the commands of Redis that reply to a frame and remove it from the stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, final

from pushforward.service.dispatch.frames import Refusal, Replies, encode_replies
from pushforward.service.dispatch.keys import GROUP

REPLIES_S = 60  # after which Redis deletes a list of replies that nobody reads
LARGE_BYTES = 128 * 1024  # of the arrays of a reply

# Large replies do not go into the append-only file, which they would fill: after an outage a gateway sends its requests
# again.
_PUSH_UNWRITTEN = """
redis.replicate_commands()
redis.set_repl(redis.REPL_NONE)
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""
WRITES = ("RPUSH", "EVAL")  # of replies

Command = tuple[Any, ...]


class StreamEntry(NamedTuple):
    """An entry of a worker's stream, most of them frames."""

    stream: str
    id: bytes
    fields: dict[bytes, bytes]
    deliveries: int = 1


@final
@dataclass(frozen=True)
class ReplyBatch:
    """Replies to one gateway, and the entries to acknowledge with them."""

    reply_to: str
    replies: Replies | bytes  # bytes are replies of another version of the protocol
    finished: Sequence[tuple[StreamEntry, bytes | None]]  # with the key of its payload

    @cached_property
    def is_large(self) -> bool:
        """Whether the thread of the reply sender should send it."""
        if isinstance(self.replies, bytes):
            return False
        arrays = (reply.arrays.values() for reply in self.replies.replies if not isinstance(reply, Refusal))
        return sum(array.nbytes for each in arrays for array in each) >= LARGE_BYTES


def reply_commands(batch: ReplyBatch) -> Iterator[Command]:
    """Send the replies, then acknowledge and delete their entries."""
    data = batch.replies if isinstance(batch.replies, bytes) else encode_replies(batch.replies)
    if batch.is_large:
        yield ("EVAL", _PUSH_UNWRITTEN, 1, batch.reply_to, data, REPLIES_S)
    else:
        yield ("RPUSH", batch.reply_to, data)
        yield ("EXPIRE", batch.reply_to, REPLIES_S)
    for entry, payload_key in batch.finished:
        yield ("XACK", entry.stream, GROUP, entry.id)
        yield ("XDEL", entry.stream, entry.id)
        if payload_key is not None:
            yield ("DEL", payload_key)


def entries_of(stream: str, read: Any) -> Iterator[StreamEntry]:
    """The entries in the answer to a read of one stream."""
    for _, entries in read or []:
        for entry, fields in entries:
            yield StreamEntry(stream, entry, dict(zip(fields[::2], fields[1::2], strict=True)) if fields else {})
