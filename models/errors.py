"""The errors of the library.

    LaboratoryError
    ├── InvalidData      a data source cannot be read, or does not hold what a run needs
    ├── InvalidInput     an array does not fit the model
    ├── BadCheckpoint    a checkpoint is torn, altered, or of another architecture
    ├── Diverged         a loss stopped being finite, or what a model draws is not
    ├── TooLarge         a run needs more memory, or more devices, than there are
    └── Hindered         the machine is at fault, not the run: a disk is full or away; try again later

Each carries the field at fault, where there is one, and a message that says what to do.
"""

from __future__ import annotations

import errno

# Faults of the machine, not of the run. A quota by RLIMIT_FSIZE raises EFBIG.
HINDRANCES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of the disk is used up",
    errno.EFBIG: "the disk takes no file so large",
    errno.EROFS: "the disk is read-only",
    errno.EIO: "the disk fails",
    errno.ENODEV: "the device is not there",
    errno.ENXIO: "the device is not there",
    errno.ENOTCONN: "the disk is not connected",
    errno.ESTALE: "the disk was mounted anew",
    errno.EMFILE: "the process has too many open files",
    errno.ENFILE: "the machine has too many open files",
    errno.EAGAIN: "the machine takes no more processes",
    errno.ENOMEM: "the machine is out of memory",
}


def hindrance(error: OSError) -> str | None:
    """The fault of the machine in words; None where it is not at fault."""
    return HINDRANCES.get(error.errno or 0)


def in_words(error: OSError) -> str:
    """The reason of a system error in words, without paths of this machine."""
    return hindrance(error) or error.strerror or type(error).__name__


class LaboratoryError(Exception):
    """Base of all errors that the library raises on purpose."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidData(LaboratoryError):
    """A data source cannot be read, or does not hold what a run needs."""


class InvalidInput(LaboratoryError):
    """An array does not fit the model."""


class BadCheckpoint(LaboratoryError):
    """A checkpoint is torn, altered, or of another architecture."""


class Diverged(LaboratoryError):
    """A loss stopped being finite, or what a model draws is not."""


class TooLarge(LaboratoryError):
    """A run needs more memory, or more devices, than there are."""


class Hindered(LaboratoryError):
    """The machine is at fault, not the run: try again later."""
