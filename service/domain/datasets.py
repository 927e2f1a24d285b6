"""The port of uploaded datasets. `gateway.bootstrap` chooses its adapter."""

from collections.abc import AsyncGenerator, Sequence, Set
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from pushforward.models.data.uploads.datasets import Dataset


class Arrival(Protocol):
    """An upload on its way: bytes that have no name yet."""

    n_bytes: int  # so far

    @property
    def sha256(self) -> str:
        """Of the bytes so far."""

    async def write(self, data: bytes) -> None:
        """Append. Raises Unavailable where the disk is at fault."""

    async def finish(self) -> None:
        """All bytes are there, and outlast a power failure. Raises Unavailable."""

    async def keep(self, dataset: Dataset) -> None:
        """Be this dataset; what had its name before loses it. Within `Datasets.changing`. Raises Unavailable."""


class Datasets(Protocol):
    """The datasets that clients uploaded. Every method raises Unavailable where the disk is at fault."""

    def arrival(self) -> AbstractAsyncContextManager[Arrival]:
        """Receive an upload; what was not kept by the end is deleted."""

    def changing(self) -> AbstractAsyncContextManager[None]:
        """Nobody else changes the datasets, or relies on them."""

    def relying(self) -> AbstractAsyncContextManager[None]:
        """Nobody changes the datasets."""

    async def used_bytes(self) -> int:
        """Of all datasets, and of all uploads on their way."""

    async def all(self) -> Sequence[Dataset]:
        """By name."""

    async def get(self, name: str) -> Dataset | None:
        """What a valid name holds now."""

    async def remove(self, name: str) -> None:
        """Nothing has this name any more. Within `changing`."""

    async def unnamed(self) -> Set[str]:
        """The digests of bytes that no name has. Within `changing`."""

    async def drop(self, digests: Set[str]) -> None:
        """Delete unnamed bytes. Within `changing`."""

    async def sweep_arrivals(self) -> None:
        """Delete what is left of uploads whose process died. Within `changing`."""

    def read(self, dataset: Dataset, start: int, stop: int) -> AsyncGenerator[bytes]:
        """Bytes start, ..., stop - 1 of it, in pieces. Raises NotFound where they were deleted."""
