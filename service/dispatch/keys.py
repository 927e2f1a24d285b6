"""The keys of Redis for requests and replies, as gateways and workers use them.

    pf:asks:{worker}        stream: gateways to one worker; above 256 KiB a frame lies under a key of its own
    pf:asks                 set: ids of the workers that have a stream, some of them dead
    pf:replies:{link}       list: workers to one gateway, for one of its links; it has one reader
    pf:gone                 stream: gateways to every worker: these requests are cancelled

An entry of a worker's stream has the field `frame` or `key`. A probe has `probe` and `to` instead: an id, and the list
to which the worker replies at once.

A worker makes its stream when it starts, and a gateway never does (`NOMKSTREAM`): so no frame goes to a worker that has
left. Other workers claim the frames of a dead one.
"""

from pushforward.service.stores.redis_client import PREFIX

WORKERS = f"{PREFIX}asks"
CANCELLED = f"{PREFIX}gone"
GROUP = "workers"
REPLIES = f"{PREFIX}replies:"


def stream_of(worker_id: str) -> str:
    """The stream that a worker reads."""
    return f"{PREFIX}asks:{worker_id}"


def is_reply_list(key: str) -> bool:
    """Whether replies may be written to this key; written to another one they might do harm."""
    return key.startswith(REPLIES)
