"""What a file holds, told by a child process: a parser may crash, or take all memory or time, and this process goes on.

    python -m pushforward.service.processes.outline < order > answer

A child has `MEMORY_BYTES` and `OUTLINE_S` seconds. Only files of tables need one; of other sources the headers are
read, which is cheap.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from pushforward.models.data import AnyData, Source
from pushforward.models.data.uploads.from_file import FromFile
from pushforward.models.errors import Hindered, InvalidData
from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.processes.spawn import tied_to_parent

OUTLINE_S = 60.0
MEMORY_BYTES = 8 * 2**30


class Outline(NamedTuple):
    """What a source says of its data before they are trained on."""

    spec: DataSpec
    reasons: dict[str, str]  # why each column is of its kind, by name; empty where the data are no table


async def outline(source: Source, root: Path) -> Outline:
    """Raises InvalidData, Hindered."""
    if not (isinstance(source, FromFile) and source.is_parsed):
        return Outline(*await asyncio.to_thread(source.outline_with_reasons, root))
    return await _of_child(source, root)


async def _of_child(source: FromFile, root: Path) -> Outline:
    child = await asyncio.create_subprocess_exec(
        *tied_to_parent([sys.executable, "-m", __name__]),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    order = json.dumps({"source": source.model_dump(mode="json"), "root": str(root)})
    try:
        async with asyncio.timeout(OUTLINE_S):
            answer, _ = await child.communicate(order.encode())
    except TimeoutError as error:
        raise InvalidData(f"{source.file_name!r} takes longer than {OUTLINE_S:g} s to read; give a smaller file",
                          field="path") from error  # fmt: skip
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0:
        raise InvalidData(f"{source.file_name!r} cannot be read: its reader ended; write it again", field="path")
    return _answered(json.loads(answer))


def _answered(answer: dict[str, Any]) -> Outline:
    """Raises InvalidData, Hindered."""
    if "hindered" in answer:
        raise Hindered(answer["hindered"])
    if "message" in answer:
        raise InvalidData(answer["message"], field=answer["field"])
    return Outline(DataSpec.model_validate(answer["spec"]), answer["reasons"])


def told(order: dict[str, Any]) -> dict[str, Any]:
    """The answer to an order."""
    source = TypeAdapter[Any](AnyData).validate_python(order["source"])
    root = Path(order["root"])
    try:
        spec, reasons = source.outline_with_reasons(root)
        return {"spec": spec.model_dump(mode="json"), "reasons": reasons}
    except InvalidData as error:
        return {"message": error.message, "field": error.field}
    except Hindered as error:
        return {"hindered": error.message}
    except MemoryError:
        return {"message": "needs more memory than there is; give a smaller file", "field": "path"}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    sys.stdout.write(json.dumps(told(json.load(sys.stdin))))
