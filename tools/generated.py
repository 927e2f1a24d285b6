"""What is generated: comments of the proto file, `service/rpc/pb`, pages of docs/, `.env.example`.

python -m tools.generated           rewrite
python -m tools.generated --check   compare; exit code 1 names what differs
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROTO = "proto/pushforward/v1"
PB = "service/rpc/pb"
IMPORTED = f"pushforward/{PB}"


def main(arguments: list[str]) -> int:
    """Rewrite, or compare; the exit code."""
    is_stale = False
    for path, text in texts():
        if path.exists() and path.read_text() == text:
            continue
        is_stale = True
        if arguments == ["--check"]:
            sys.stderr.write(f"{path.relative_to(ROOT)} is not what its sources make; run `make proto`\n")
        else:
            path.write_text(text)  # before the next is made of it
    return 1 if is_stale and arguments == ["--check"] else 0


def texts() -> Iterator[tuple[Path, str]]:
    """Every generated file and what it should hold."""
    from tools import sync_client
    from tools.proto_comments import described

    proto = ROOT / PROTO / "pushforward.proto"
    yield proto, described(proto.read_text())
    yield from protobuf()
    yield from sync_client.files(ROOT / "pushforward/client")
    from pushforward.service.application.application import Application
    from pushforward.service.rest.app import routed
    from pushforward.service.settings import Settings
    from pushforward.service.telemetry.gateway import Telemetry
    from tools.decisions_page import page as decisions
    from tools.environment_file import lines
    from tools.families_page import page
    from tools.family_page import page as family_page

    absent: Any = None  # nothing is asked
    ports = ("jobs", "wakeups", "asks", "models", "workers", "reach", "files", "datasets")
    application = Application.over(**dict.fromkeys(ports, absent), settings=Settings())
    document = routed(application, Telemetry(), asyncio.Event()).openapi()
    yield ROOT / "docs/openapi.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    yield ROOT / "docs/families.md", "\n".join(page(application)) + "\n"
    results = (ROOT / "docs/results.md").read_text()
    for card in application.catalog.families():
        yield ROOT / f"docs/families/{card.family}.md", "\n".join(family_page(card, results)) + "\n"
    yield ROOT / "docs/decisions.md", "\n".join(decisions(ROOT / "docs/decisions")) + "\n"
    yield ROOT / ".env.example", "\n".join(lines(ROOT / "docs/settings.md")) + "\n"


def protobuf() -> Iterator[tuple[Path, str]]:
    """Messages, stubs and their types. The mapped include path is the package in which they import one another."""
    with tempfile.TemporaryDirectory() as folder:
        programs = Path(sys.executable).parent
        subprocess.run(
            [
                *(sys.executable, "-m", "grpc_tools.protoc", "-I", f"{IMPORTED}={ROOT / PROTO}"),
                *(f"--plugin={name}={programs / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")),
                *(f"--{kind}_out={folder}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")),
                f"{IMPORTED}/pushforward.proto",
            ],
            check=True,
        )
        for file in sorted((Path(folder) / IMPORTED).iterdir()):
            yield ROOT / PB / file.name, file.read_text()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
