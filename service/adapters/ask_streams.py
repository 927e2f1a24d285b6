"""What gateways and workers agree on: the keys of Redis by which questions and their answers go.

    pf:asks:{worker}        stream: gateways to one worker; above 256 KiB a frame lies under a key of its own
    pf:asks                 set: the workers that have a stream, some of them dead
    pf:replies:{gateway}    list: workers to one gateway, which has one reader
    pf:gone                 stream: gateways to every worker: nobody waits for these questions any more

A worker makes its stream when it comes, and a gateway never does (`NOMKSTREAM`): so a frame cannot be written to a
worker that has left. The frames of one that died are claimed by others.
"""

from service.adapters.redis_client import PREFIX

WORKERS = f"{PREFIX}asks"
GONE = f"{PREFIX}gone"
GROUP = "workers"


def stream_of(worker_id: str) -> str:
    """Where a worker reads."""
    return f"{PREFIX}asks:{worker_id}"
