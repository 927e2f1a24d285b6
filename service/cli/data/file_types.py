"""The media type of a file, by its name."""

from __future__ import annotations

from pathlib import Path

from pushforward.models.data.tables.media_types import ENDINGS
from pushforward.service.cli.terminal import fail

MEDIA_TYPES = {
    **ENDINGS,
    ".npy": "application/x-npy",
    ".npz": "application/x-npz",
    ".zip": "application/zip",
    ".idx": "application/x-idx",
}
IDX_ENDS = ("idx1-ubyte", "idx3-ubyte")  # as MNIST and its kind are called


def media_type_of(file: Path) -> str:
    """Ends the program where the name does not tell."""
    if file.name.endswith(IDX_ENDS):
        return MEDIA_TYPES[".idx"]
    found = MEDIA_TYPES.get(file.suffix.lower())
    if found is None:
        fail(f"the name of {file} does not tell its format; it ends in {', '.join(MEDIA_TYPES)}, or give --type")
    return found
