"""What all readers of files share. Files are hostile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.data.source import MAX_BYTES, Rows
from models.errors import InvalidData
from models.spec import DataSpec


def inside(root: Path, path: str) -> Path:
    """The path, if it exists under the data root, symbolic links followed."""
    try:
        full = (root / path).resolve()
        is_inside = not Path(path).is_absolute() and full.is_relative_to(root.resolve())
        exists = is_inside and full.exists()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a null byte, links in a circle
        raise InvalidData(f"{path!r} is not a path: {error}", field="path") from error
    if not is_inside:
        raise InvalidData(f"{path!r} leads out of the data root; give a path relative to it", field="path")
    if not exists:
        raise InvalidData(f"there is no {path!r} under the data root", field="path")
    return full


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Files are hostile: whatever their parsers raise means that the file cannot be read."""
    try:
        yield
    except InvalidData:
        raise
    except Exception as error:
        raise InvalidData(f"{file.name!r} cannot be read: {error}; write it again", field="path") from error


def bounded(n_bytes: int, file: Path) -> None:
    """Refuse a file of more numbers than fit into memory."""
    if n_bytes > MAX_BYTES:
        raise InvalidData(
            f"{file.name!r} promises {n_bytes} bytes of numbers; give at most {MAX_BYTES}, fewer rows",
            field="path",
        )


def image_spec(rows: Rows) -> DataSpec:
    """Bytes."""
    shape = rows.x.shape[1:]
    return DataSpec(shape=shape, low=0, high=255, levels=256, n_classes=rows.n_classes, shift=(127.5,), scale=(127.5,))
