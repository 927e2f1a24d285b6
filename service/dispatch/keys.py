"""What gateways and workers agree on: the keys of Redis by which questions and their answers go.

    pf:asks:{worker}        stream: gateways to one worker; above 256 KiB a frame lies under a key of its own
    pf:asks                 set: the workers that have a stream, some of them dead
    pf:replies:{link}       list: workers to one gateway, over one of its links; it has one reader
    pf:gone                 stream: gateways to every worker: nobody waits for these questions any more

An entry of a worker's stream has the field `frame` or `key`, or else `probe` and `to`: an id that the worker replies
with at once, where to.

A worker makes its stream when it comes, and a gateway never does (`NOMKSTREAM`): so a frame cannot be written to a
worker that has left. The frames of one that died are claimed by others.
"""

from pushforward.service.stores.redis_client import PREFIX

WORKERS = f"{PREFIX}asks"
CANCELLED = f"{PREFIX}gone"
GROUP = "workers"
REPLIES = f"{PREFIX}replies:"


def stream_of(worker_id: str) -> str:
    """Where a worker reads."""
    return f"{PREFIX}asks:{worker_id}"


def is_reply_list(key: str) -> bool:
    """Whether replies may be written there; to another key they might do harm."""
    return key.startswith(REPLIES)
