"""The place of a process among the ranks of a training, by the standard variables of torch.distributed.

    RANK, WORLD_SIZE           which of how many
    MASTER_ADDR, MASTER_PORT   where rank 0 listens
    LOCAL_RANK                 which GPU of its machine; left out: the first
    LOCAL_WORLD_SIZE           how many of them share its machine; left out: it is alone there

Rank 0 is the child of the job. Where its worker has these variables, the other ranks are on other machines, and wait
there (`follow`); else rank 0 starts them on its own (`local`). All get the order from rank 0.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self, final

import torch.distributed as dist
from torch._C._distributed_c10d import TCPStore  # `torch.distributed.TCPStore`, with its types

from pushforward.models.errors import Hindered

JOIN_S = 120.0  # until the last rank is there
ORDER_KEY = "order"  # in the store of rank 0


@final
@dataclass(frozen=True)
class Seat:
    """Which rank a process is, and where rank 0 listens."""

    rank: int
    size: int
    host: str
    port: int  # 0 for any that is free

    @classmethod
    def of_environment(cls, variables: Mapping[str, str]) -> Self | None:
        """The place that the variables tell; None where they tell none. Raises Hindered where some are missing."""
        size = variables.get("WORLD_SIZE", "1")
        if size == "1":
            return None
        try:
            rank, port = int(variables["RANK"]), int(variables["MASTER_PORT"])
            return cls(rank, int(size), variables["MASTER_ADDR"], port)
        except (KeyError, ValueError) as error:
            raise Hindered(
                "WORLD_SIZE is set, and RANK, MASTER_ADDR or MASTER_PORT is missing or no number; set all, or none"
            ) from error

    def variables(self, rank: int) -> dict[str, str]:
        """The variables of another rank on this machine."""
        return {
            **os.environ,
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "LOCAL_WORLD_SIZE": str(self.size),
            "WORLD_SIZE": str(self.size),
            "MASTER_ADDR": self.host,
            "MASTER_PORT": str(self.port),
        }

    def store(self, wait_s: float = JOIN_S) -> TCPStore:
        """The store of the ranks: rank 0 opens it, the others wait for it. Raises Hindered."""
        try:
            return TCPStore(
                self.host,
                self.port,
                self.size,
                is_master=self.rank == 0,
                timeout=timedelta(seconds=wait_s),
                wait_for_workers=False,
            )
        except (dist.DistNetworkError, dist.DistStoreError, RuntimeError) as error:
            raise Hindered(
                f"the ranks do not meet at {self.host}:{self.port}; see MASTER_ADDR and MASTER_PORT"
            ) from error
