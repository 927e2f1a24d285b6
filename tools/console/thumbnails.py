"""`service/console/static/presets`: small pictures of the presets, cut from docs/pictures.

python -m tools.console.thumbnails           rewrite
python -m tools.console.thumbnails --check   exit code 1 names presets whose thumbnail is missing, or has no picture
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from pushforward.models.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs/pictures"
THUMBNAILS = ROOT / "service/console/static/presets"
CAPTION_PX = 28  # below each panel
SIDE_PX = 160
QUALITY = 60


def main(arguments: list[str]) -> int:
    """Rewrite, or compare; the exit code."""
    pictured = {name for name in PRESETS if (PICTURES / f"{name}.png").exists()}
    kept = {path.stem for path in THUMBNAILS.glob("*.webp")}
    if arguments == ["--check"]:
        for name in sorted(pictured ^ kept):
            sys.stderr.write(f"{name}: run `python -m tools.console.thumbnails`\n")
        return 1 if pictured != kept else 0
    THUMBNAILS.mkdir(exist_ok=True)
    for path in _stale(kept - pictured):
        path.unlink()
    for name in sorted(pictured):
        thumbnail(PICTURES / f"{name}.png").save(THUMBNAILS / f"{name}.webp", quality=QUALITY, method=6)
    return 0


def thumbnail(path: Path) -> Image.Image:
    """The first panel; of many small images the upper left quarter, so that each can be seen."""
    with Image.open(path) as picture:
        side = min(picture.height - CAPTION_PX, picture.width)
        panel = picture.convert("RGB").crop((0, 0, side, side))
    if not path.stem.endswith(("moons", "gaussians", "checkerboard", "camel", "corner-peak")):
        panel = panel.crop((0, 0, side // 2, side // 2))
    return panel.resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)


def _stale(names: set[str]) -> Iterator[Path]:
    return (THUMBNAILS / f"{name}.webp" for name in names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
