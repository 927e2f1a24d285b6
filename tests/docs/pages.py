"""The pages as programs: their commands run as printed, in order, against one service.

`$ command` runs in bash, and what is printed beneath it is compared with what it says (see `printed`). A Python block
runs too; where the paragraph after it is "prints", the next block is what it prints. Ports are replaced, and ids that
were given out before. Pages share a service, so each has names of its own for the models whose versions it prints.

python -m tests.docs.pages    rewrites the fractions on the pages; what differs in more is shown
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.printed import Mismatch, aligned, ids, renewed
from tests.e2e.running import ROOT, Up, start_up, stop_up

FIRST = "docs/first-steps.md"  # whose model the next ones ask
CONCEPTS = ("docs/concepts/likelihoods.md", "docs/concepts/seeds.md", "docs/concepts/capacity-and-deadlines.md")
AFTER_FIRST = (*CONCEPTS, "docs/trainings.md")
TUTORIALS = ("docs/tutorials/tables.md", "docs/tutorials/pictures.md", "docs/tutorials/translation.md")
REFERENCE = ("docs/rest.md", "docs/tables.md", "docs/grpc.md", "docs/data.md")
PAGES = ("README.md", FIRST, *AFTER_FIRST, *TUTORIALS, "docs/python.md", "docs/coming-from/scikit-learn.md", *REFERENCE)
BLOCK = re.compile(r"(?P<before>[^\n]*)\n\n```(?P<language>\w*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
# Lines of blocks that are not run: they install, or need docker; `pushforward up` runs already.
NOT_RUN = ("make ", "pushforward up", "docker compose ", "openssl ", "(umask 022; openssl ")
WRITES = re.compile(r" -o (\S+)")


@dataclass
class Step:
    """Something that runs, and what is printed beneath it; `at` is where that stands in the page."""

    code: str
    printed: str | None
    at: int
    language: str = "bash"


def steps(page: str) -> Iterator[Step]:
    """What a page runs, in order. Raises AssertionError for a block that is neither run nor known not to be."""
    script: Step | None = None
    for block in BLOCK.finditer(page):
        body, start = block["body"], block.start("body")
        if script is not None:
            prints = block["before"] == "prints"
            yield Step(script.code, body if prints else None, start, "python")
            script = None
            if prints:
                continue
        if block["language"] == "python":
            script = Step(body, None, start, "python")
        elif body.startswith("$ "):
            yield from commands(body, start)
        elif not block["language"]:
            lines = [line for line in body.splitlines() if line and not line.startswith(NOT_RUN)]
            assert lines == [], f"neither run nor known: {lines}"
    if script is not None:
        yield script


def commands(body: str, start: int) -> Iterator[Step]:
    """The commands of a block."""
    for part in re.finditer(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", body, re.MULTILINE):
        yield Step(part[1], part[2] if part[2].strip() else None, start + part.start(2))


@dataclass
class Session:
    """A reader who types what a page prints."""

    up: Up
    folder: Path
    assigned: list[str] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)

    def run(self, step: Step) -> str:
        """What a step says. Raises AssertionError where it fails."""
        code = self._ours(step.code)
        if re.match(r"[A-Z]=", code):
            self.assigned.append(code)
        program = [sys.executable, "-c", code] if step.language == "python" else ["bash", "-c", self._script(code)]
        done = subprocess.run(program, cwd=self.folder, env=self._environment(), capture_output=True, text=True)
        assert done.returncode == 0, f"{step.code}\n{done.stdout}\n{done.stderr}"
        if step.printed is None:
            written = [self.folder / name for name in WRITES.findall(code)]
            said = [done.stdout.encode(), *(file.read_bytes() for file in written if file.exists())]
            assert not any(b'"type":"/problems/' in text for text in said), f"{step.code}\n{said!r:.400}"
        return done.stdout

    def check(self, step: Step, came: str) -> None:
        """Raises Mismatch or AssertionError."""
        if step.printed is not None:
            ids(aligned(step.printed, came), self.known)

    def _script(self, code: str) -> str:
        return "\n".join(("set -o pipefail", *self.assigned, code))

    def _ours(self, code: str) -> str:
        place = self.up.place
        for theirs, ours in (("127.0.0.1:8000", place.http_port), ("127.0.0.1:8001", place.grpc_port)):
            code = code.replace(theirs, f"127.0.0.1:{ours}")
        for theirs, ours in self.known.items():
            code = code.replace(theirs, ours)
        return code

    def _environment(self) -> dict[str, str]:
        programs = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        return {**os.environ, "PATH": programs, "PYTHONPATH": str(ROOT), "PUSHFORWARD_URL": self.up.place.url}


def renew(name: str, session: Session) -> None:
    """Rewrite the numbers of a page; show what differs in more."""
    page = (ROOT / name).read_text()
    text, moved = page, 0
    for step in list(steps(page)):
        since = time.monotonic()
        came = session.run(step)
        sys.stdout.write(f"{time.monotonic() - since:5.1f} s  {step.code.splitlines()[0]:.100}\n")
        if step.printed is None:
            continue
        try:
            ids(aligned(step.printed, came, any_number=True), session.known)
            new = renewed(step.printed, came)
        except Mismatch as mismatch:
            sys.stdout.write(f"--- {name}\n$ {step.code}\n{mismatch}\n\n")
            continue
        at = step.at + moved
        text = text[:at] + new + text[at + len(step.printed) :]
        moved += len(new) - len(step.printed)
    (ROOT / name).write_text(text)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        running = start_up(Path(place))
        try:
            for each in sys.argv[1:] or PAGES:
                renew(each, Session(running, Path(place)))
        finally:
            stop_up(running)
