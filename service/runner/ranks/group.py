"""The process group of a training: rank 0 opens it when its data are read, the others join.

What cannot be trained is refused by rank 0 before any other rank has begun. A failure of a group that has gathered is
told by rank 0 alone: a loss that is not finite is so on every rank, and memory that fails on one is told to all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import TCPStore

from pushforward.models.errors import Diverged, Hindered, TooLarge
from pushforward.models.training.compute.memory import is_out_of_memory
from pushforward.models.training.compute.ranks import Ranks
from pushforward.service.runner.messages import TrainOrder
from pushforward.service.runner.ranks import local
from pushforward.service.runner.ranks.seat import JOIN_S, ORDER_KEY, Seat
from pushforward.service.settings import cores

SILENCE = timedelta(minutes=30)  # of another rank in a sum: rank 0 may write a checkpoint meanwhile


def share_of_cpu(n: int, amount: int) -> int:
    """What each of the ranks of this machine may take of its threads or bytes."""
    alone = "1" if Seat.of_environment(os.environ) else str(n)
    return max(1, amount // int(os.environ.get("LOCAL_WORLD_SIZE", alone)))


def place(seat: Seat | None, n: int, device: torch.device) -> torch.device:
    """The device of this rank. Raises TooLarge where the machine has fewer than n devices."""
    if n == 1:
        return device
    if seat is not None and seat.size != n:
        raise TooLarge(f"is {n}, and WORLD_SIZE is {seat.size}; give {seat.size}, or 1", field="run.devices")
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if device.type == "cpu":
        if seat is None and n > cores():
            raise TooLarge(f"is {n}, and this worker has {cores()} cores; give at most so many", field="run.devices")
        return device
    there = torch.cuda.device_count()
    if seat is None and (n > there or device.index is not None):
        have = f"works on {device}" if device.index is not None else f"has {there} GPUs"
        raise TooLarge(
            f"is {n}, and this worker {have}; give at most so many, or give the worker more GPUs and the device cuda",
            field="run.devices",
        )
    return torch.device("cuda", local_rank)


@contextmanager
def gathered(order: TrainOrder, n: int, device: torch.device) -> Iterator[Ranks | None]:
    """The ranks of a training on n devices until the end of the block; None where it has one. Raises Hindered."""
    if n == 1:
        yield None
        return
    seat = Seat.of_environment(os.environ)
    if seat is None:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        seat = Seat(0, n, "127.0.0.1", 0)
        store = seat.store()
        store.set(ORDER_KEY, order.model_dump_json())
        with local.started(Seat(0, n, seat.host, store.port)):
            yield from _joined(store, seat, device)
        return
    store = seat.store()
    if seat.rank == 0:
        store.set(ORDER_KEY, order.model_dump_json())
    try:
        yield from _joined(store, seat, device)
    except (Diverged, MemoryError, RuntimeError) as error:
        if seat.rank == 0 or not (isinstance(error, Diverged) or is_out_of_memory(error)):
            raise
        sys.exit(os.EX_OK)  # rank 0 tells it


def _joined(store: TCPStore, seat: Seat, device: torch.device) -> Iterator[Ranks]:
    backend = "nccl" if device.type == "cuda" else "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        store.set_timeout(timedelta(seconds=JOIN_S))
        dist.init_process_group(backend, store=store, rank=seat.rank, world_size=seat.size, timeout=SILENCE)
    except (dist.DistError, RuntimeError) as error:
        raise Hindered(f"not all of the {seat.size} ranks came; start the others, or see their logs") from error
    try:
        yield Ranks(seat.rank, seat.size, device)
    finally:
        dist.destroy_process_group()  # else its threads abort a process that ends well
