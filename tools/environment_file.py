"""`.env.example`: every setting that docker compose leaves open, with its default, from docs/settings.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROW = re.compile(r"^\| (?P<names>`[^|]+`) \|\s*(?P<defaults>[^|]*?)\s*\| (?P<meaning>.+) \|$")
_TEXT = r"\1"
LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")
# Which the compose file and the images set, for they know where things are.
SET = frozenset(
    f"PUSHFORWARD_{name}"
    for name in (
        *("REDIS_URL", "REDIS_PASSWORD", "REDIS_PASSWORD_FILE", "STORE", "DATA_ROOT"),
        *("HTTP_HOST", "HTTP_PORT", "GRPC_HOST", "GRPC_PORT", "METRICS_HOST", "METRICS_PORT", "METRICS_FOLDER", "URL"),
    )
)


def lines(settings_page: Path) -> Iterator[str]:
    """The lines of the file."""
    yield "# Copy to .env, and take the # from what you change. docs/settings.md says more."
    yield "# Compose itself reads TAG, WORKER_MEMORY, DATA, HTTP_ADDRESS, GRPC_ADDRESS and TORCH_INDEX_URL."
    for line in settings_page.read_text().splitlines():
        row = ROW.match(line)
        if row is None:
            continue
        names = re.findall(r"`(\w+)`", row["names"])
        defaults = [default.strip(" `") for default in row["defaults"].split(",")]
        wanted = [(name, default) for name, default in zip(names, defaults, strict=False) if name not in SET]
        if wanted and names[0].startswith("PUSHFORWARD_"):
            yield from ("", f"# {LINK.sub(_TEXT, row['meaning']).replace('`', '')}")
            yield from (f"# {name}={default}" for name, default in wanted)
