"""What is generated from code: `service/rpc/pb`, `docs/openapi.json` and `docs/families.md`.

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


def main(arguments: list[str]) -> int:
    """Rewrite, or compare; the exit code."""
    stale = {path: text for path, text in texts() if not path.exists() or path.read_text() != text}
    for path, text in stale.items():
        if arguments == ["--check"]:
            sys.stderr.write(f"{path.relative_to(ROOT)} is not what its sources make; run `make proto`\n")
        else:
            path.write_text(text)
    return 1 if stale and arguments == ["--check"] else 0


def texts() -> Iterator[tuple[Path, str]]:
    """Every generated file and what it should hold."""
    yield from protobuf()
    from service.application import Application
    from service.gateway.app import create
    from service.settings import Settings
    from service.telemetry import Telemetry

    absent: Any = None  # nothing is asked
    application = Application(absent, absent, absent, absent, absent, absent, Settings())
    document = create(application, Telemetry(), asyncio.Event()).openapi()
    yield ROOT / "docs/openapi.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    yield ROOT / "docs/families.md", "\n".join(families(application)) + "\n"


def protobuf() -> Iterator[tuple[Path, str]]:
    """Messages, stubs and their types. The mapped include path makes them import one another as `service.rpc.pb`."""
    with tempfile.TemporaryDirectory() as folder:
        programs = Path(sys.executable).parent
        subprocess.run(
            [
                *(sys.executable, "-m", "grpc_tools.protoc", "-I", f"{PB}={ROOT / PROTO}"),
                *(f"--plugin={name}={programs / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")),
                *(f"--{kind}_out={folder}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")),
                f"{PB}/pushforward.proto",
            ],
            check=True,
        )
        for file in sorted((Path(folder) / PB).iterdir()):
            yield ROOT / PB / file.name, file.read_text()


def families(application: Any) -> Iterator[str]:
    """The families and their fields as a page."""
    yield "# Families"
    yield ""
    yield "What can be trained. Generated from the classes in `models/families/` by `python -m tools.generated`."
    for card in application.families():
        yield from ("", f"## {card.family}", "", card.summary, "")
        told = " Takes a condition." if card.takes_condition else ""
        yield f"Can be asked to: {', '.join(card.capabilities)}.{told}"
        yield from fields("", card.schema)
        for capability, schema in card.options.items():
            yield from fields(f"Options of `{capability}`:", schema)


def fields(title: str, schema: dict[str, Any]) -> Iterator[str]:
    """A table of an object's fields; nothing where there are none."""
    properties = {name: field for name, field in schema.get("properties", {}).items() if name != "family"}
    if not properties:
        return
    if title:
        yield from ("", title)
    yield from ("", "| field | default | what it may be |", "|---|---|---|")
    for name, field in properties.items():
        default = f"`{json.dumps(field['default'])}`" if "default" in field else ""
        yield f"| `{name}` | {default} | {kind(field)} |"


def kind(field: dict[str, Any]) -> str:
    """A field's type and bounds in a few words."""
    if "discriminator" in field:
        return "one of " + ", ".join(f"`{name}`" for name in field["discriminator"]["mapping"])
    if "enum" in field:
        return "one of " + ", ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(kind(option) for option in field["anyOf"])
    if "$ref" in field:
        return f"`{field['$ref'].rpartition('/')[2]}`"
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    limits = [f"{sign} {field[name]:g}" for name, sign in bounds.items() if name in field]
    return ", ".join([str(field.get("type", "")), *limits])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
