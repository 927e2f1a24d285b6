"""Pictures written for tests."""

import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Files = Mapping[str, bytes]


def encoded(pixels: np.ndarray, form: str = "PNG", **options: Any) -> bytes:
    """(H, W) or (H, W, C) as a file."""
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, form, **options)
    return stream.getvalue()


def random_pixels(*shape: int, n: int = 12, seed: int = 0) -> np.ndarray:
    """(n, *shape) of bytes."""
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def zipped(root: Path, files: Files, name: str = "x.zip") -> Path:
    """A zip of these files in the root."""
    with zipfile.ZipFile(root / name, "w") as archive:
        for entry, content in files.items():
            archive.writestr(entry, content)
    return root / name


def unzipped(root: Path, files: Files, name: str = "x") -> Path:
    """A folder of these files in the root."""
    for entry, content in files.items():
        (root / name / entry).parent.mkdir(parents=True, exist_ok=True)
        (root / name / entry).write_bytes(content)
    return root / name


def numbered(pixels: np.ndarray, folder: str = "", **options: Any) -> dict[str, bytes]:
    """A PNG for each row, (n, H, W) or (n, H, W, C), named so that their order is that of the rows."""
    return {f"{folder}{i:03}.png": encoded(each, **options) for i, each in enumerate(pixels)}
