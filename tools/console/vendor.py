"""`service/console/static/vendor`: the libraries of the console, from the packages that `npm install` brought here.

    npm install --prefix tools/console --no-package-lock
    python -m tools.console.vendor           copy them
    python -m tools.console.vendor --check   compare; exit code 1 names what differs

A browser finds a module by its address, so the bare name in `hooks.mjs` becomes one. uPlot's ES module is not minified:
its script is, and gets a line that exports it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PACKAGES = HERE / "node_modules"
VENDOR = HERE.parents[1] / "service/console/static/vendor"
MANIFEST = "manifest.json"


class Vendored(NamedTuple):
    """A file of a package, and what is changed in it."""

    package: str
    source: str
    name: str
    replaced: tuple[str, str] = ("", "")
    appended: str = ""


FILES = (
    Vendored("preact", "dist/preact.mjs", "preact.mjs"),
    Vendored("preact", "hooks/dist/hooks.mjs", "hooks.mjs", replaced=('from"preact"', 'from"./preact.mjs"')),
    Vendored("htm", "dist/htm.mjs", "htm.mjs"),
    Vendored("uplot", "dist/uPlot.iife.min.js", "uplot.mjs", appended="\nexport default uPlot;\n"),
    Vendored("uplot", "dist/uPlot.min.css", "uplot.css"),
)


def main(arguments: list[str]) -> int:
    """Copy, or compare; the exit code."""
    is_stale = False
    for name, content in contents():
        path = VENDOR / name
        if path.exists() and path.read_bytes() == content:
            continue
        is_stale = True
        if arguments == ["--check"]:
            sys.stderr.write(f"{path} is not what the packages make; run `python -m tools.console.vendor`\n")
        else:
            VENDOR.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return 1 if is_stale and arguments == ["--check"] else 0


def contents() -> Iterator[tuple[str, bytes]]:
    """The name and the content of every file, its licenses and the manifest."""
    manifest = []
    for file in FILES:
        described = json.loads((PACKAGES / file.package / "package.json").read_text())
        content = _content(file)
        manifest.append(
            {
                "file": file.name,
                "package": file.package,
                "version": described["version"],
                "license": described["license"],
                "sha256": sha256(content).hexdigest(),
            }
        )
        yield file.name, content
    for package in dict.fromkeys(file.package for file in FILES):
        yield f"LICENSE.{package}", (PACKAGES / package / "LICENSE").read_bytes()
    yield MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode()


def _content(file: Vendored) -> bytes:
    text = (PACKAGES / file.package / file.source).read_text()
    bare, address = file.replaced
    if bare:
        if text.count(bare) != 1:
            raise ValueError(f"{file.source} has {bare} {text.count(bare)} times, not once")
        text = text.replace(bare, address)
    lines = [line for line in text.splitlines() if not line.startswith("//# sourceMappingURL=")]
    return ("\n".join(lines) + "\n" + file.appended).encode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
