"""What mutants were tried and which survived: as JSON, where reasons are written by hand, and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import orjson

RESULTS = Path(__file__).parent.parent / "docs" / "results"
Tried = tuple[list[str], int, "list[Trial]"]  # the tests, how many mutants there are, those that were tried

INTRODUCTION = """\
`make mutants` (not in CI) changes one operator, number, border or condition of a module at a time, by the operators of
[cosmic-ray](https://cosmic-ray.readthedocs.io), and runs that module's tests. A full run takes days; this is a sample,
drawn with a fixed seed. A mutant that only tests of other modules would notice counts as a survivor here."""


@dataclass(frozen=True)
class Trial:
    """One change, and what became of it."""

    line: int
    before: str
    after: str
    outcome: Literal["caught", "survived"]
    why: str = ""  # it may survive; written by hand

    @property
    def is_caught(self) -> bool:
        return self.outcome == "caught"


def read(file: Path = RESULTS / "mutants.json") -> dict[str, Tried]:
    """What was tried before, by module."""
    kept = orjson.loads(file.read_bytes()) if file.exists() else {}
    return {
        module: (found["tests"], found["mutants"], [Trial(**trial) for trial in found["trials"]])
        for module, found in kept.items()
    }


def keep(
    module: str,
    tests: list[str],
    n_mutants: int,
    tried: Sequence[Trial],
    *,
    again: bool,
    file: Path = RESULTS / "mutants.json",
) -> None:
    """In the place of what was tried before, with its reasons; `again` replaces only the same changes."""
    found = read(file)
    old = found[module][2] if module in found else []
    reasons = {(trial.before, trial.after): trial.why for trial in old}
    new = [
        trial if trial.is_caught else replace(trial, why=reasons.get((trial.before, trial.after), trial.why))
        for trial in tried
    ]
    again_tried = {(trial.before, trial.after) for trial in new}
    others = [trial for trial in old if (trial.before, trial.after) not in again_tried] if again else []
    trials = sorted([*new, *others], key=lambda trial: (trial.line, trial.after))
    as_text = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    found[module] = tests, n_mutants, trials
    everything = {
        name: {"tests": tests, "mutants": n, "trials": [asdict(trial) for trial in trials]}
        for name, (tests, n, trials) in sorted(found.items())
    }
    file.write_bytes(orjson.dumps(everything, option=as_text))


def markdown(found: dict[str, Tried]) -> str:
    """The page."""
    every = [trial for _, _, trials in found.values() for trial in trials]
    n_caught = sum(trial.is_caught for trial in every)
    lines = ["# Mutants", "", INTRODUCTION, ""]
    lines += [f"**{n_caught} of {len(every)} caught** ({n_caught / max(1, len(every)):.0%}); the rest is below.", ""]
    lines += ["| module | mutants | tried | caught | survived |", "|---|---|---|---|---|"]
    for module, (_, n_mutants, trials) in sorted(found.items()):
        caught = sum(trial.is_caught for trial in trials)
        lines.append(f"| `{module}` | {n_mutants} | {len(trials)} | {caught} | {len(trials) - caught} |")
    lines += ["", "## Survivors, and why they may", "", "| where | change | why |", "|---|---|---|"]
    for module, (_, _, trials) in sorted(found.items()):
        for trial in trials:
            if not trial.is_caught:
                change = f"`{_cell(trial.before)}` to `{_cell(trial.after)}`"
                lines.append(f"| `{module}:{trial.line}` | {change} | {trial.why or '**nobody has looked yet**'} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def write(folder: Path = RESULTS) -> None:
    """docs/results/mutants.md, of what mutants.json holds."""
    (folder / "mutants.md").write_text(markdown(read(folder / "mutants.json")))
