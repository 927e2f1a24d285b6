"""docs/results.md from docs/results/zoo.json. A preset's table follows from its data and what it was measured by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf, log
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from floors import wanted_nats
from published import MODES
from zoo_results import Kept, recipe

from pushforward.models.data import Idx, Mixture, Toy
from pushforward.models.data.captioned_digits import TEXT
from pushforward.models.data.source import Source
from pushforward.models.evaluation.sample_metrics import sliced_wasserstein
from pushforward.models.evaluation.samples import DRAWN_VECTORS
from pushforward.models.family import Family, Samples, Scores, Translates
from pushforward.models.presets import PRESETS, Preset
from pushforward.models.run import Run
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec

PAGE = Path(__file__).parent.parent / "docs" / "results.md"
LOG_PROB, BITS = "validation_log_prob_nats_", "validation_bits_per_dim_"
TITLES = {
    "two_moons": "Two moons",
    "eight_gaussians": "Eight Gaussians",
    "checkerboard": "Checkerboard",
    "ring_gaussians": "Eight narrow Gaussians on a ring",
    "grid_gaussians": "Twenty-five Gaussians on a grid",
    "digits": "Digits, 8x8, levels 0 to 16",
    "captioned_digits": "Captioned digits, 8x8, levels 0 to 16",
    "fashion-mnist": "Fashion-MNIST, 28x28, levels 0 to 255",
}
IMAGE_COLUMNS = ("preset", "bits/dim", "log p, nats", "kind", "by", "RMSE", "active units", "MI, nats")
AT_CEILING = 0.9  # of the ceiling of an estimate of mutual information
HELD_OUT = {"digits": 180, "captioned_digits": 719, "fashion-mnist": 5_000}  # rows
SPECS = {
    "digits": DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17, n_rows=1_617),
    "captioned_digits": DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17, n_rows=6_469),
    "fashion-mnist": DataSpec(shape=(1, 28, 28), low=0, high=255, levels=256, n_rows=55_000),
}
SHOWN = {"train_s", "sliced_wasserstein", "nll_nats", "validation_rows_scored"}  # elsewhere, or beside the point


INTRODUCTION = """\
# What the presets reach

By `python benchmarks/zoo.py`: trained and asked through the service, mean ± standard deviation over the seeds. `on`
is the machine, below. A star marks numbers of an earlier recipe. Each name leads to a picture of what its model
answers."""
DENSITIES = """\
How many nats a model is above the entropy of its data, E [log p(x) - log q(x)] over 5,000 fresh rows, both
logarithms at the same rows; beside it the standard error of one seed's mean. A lower bound is at most so far above.
`wanted` is the goal that was set before, where one was. A model that is told labels is measured given them."""
SAMPLES = """\
Sliced Wasserstein distance between 2,500 samples and as many held-out rows, in data units; modes that a sample hit,
and the share of samples within three standard deviations of one."""
IMAGES = """\
On held-out rows. Bits a dimension are of the level itself, estimated as `by` says: one logarithm of the mean of `k`
draws is a tighter bound than a mean of logarithms (by 0.06 bits for the flows here), so only rows of the same `by`
compare like with like. Sliced W, in levels, is of `rows` samples and at most as many held-out rows; it falls with
their number and compares at equal `rows`. RMSE is of a reconstruction, in levels; a unit is active where its mean
varies by more than 0.01 between rows; MI is the mutual information of rows and codes, "ceiling" where the logarithm
of the number of held-out rows bounds its estimate. A Bernoulli likelihood is of the binarized image: comparable to
its like."""
TRANSLATIONS = """\
Held-out rows taken to the next domain. `to the truth` is the RMSE between a translation and the true one, in data
units; where several are as true as one another, the nearest. `sliced W` is between translations and other rows of the
domain they go to, in standard deviations. In brackets: of rows that stay as they are. `cycle` is the RMSE between a
row and where it comes back to."""
PAPERS = """\
What papers print of data that are ours too. Their numbers on MNIST and CIFAR-10 have no counterpart here: these
data are not at hand. ELBO surgery beside the notes' table: [results/surgery.md](results/surgery.md). Which modes every
adversarial game finds: [results/modes.md](results/modes.md). Images in the features of a classifier, beside the notes'
table of FIDs: [results/images.md](results/images.md). Families on tables: [results/tables.md](results/tables.md).
Data larger than memory: [results/large_data.md](results/large_data.md)."""


@dataclass(frozen=True)
class Result:
    """What a preset reached, over seeds."""

    preset: Preset
    kept: Kept

    @cached_property
    def run(self) -> Run:
        """That was trained; its preset may have changed since."""
        return Run.model_validate(self.kept["run"])

    @property
    def source(self) -> Source:
        return self.run.data

    @property
    def data(self) -> str:
        """What the data are called: the folder, where they are read from one."""
        return self.source.file_name if isinstance(self.source, Idx) else self.source.source

    def values(self, measure: str) -> list[float]:
        """Of each seed that has it."""
        entries = self.kept["seeds"].values()
        return [entry["measures"][measure] for entry in entries if measure in entry["measures"]]

    def told(self, measure: str, *, share: bool = False) -> str:
        """Mean ± standard deviation over the seeds."""
        values = [100 * value if share else value for value in self.values(measure)]
        if not values:
            return ""
        return f"{mean(values):.4g} ± {stdev(values):.2g}" if len(values) > 1 else f"{values[0]:.4g}"

    def named(self, prefix: str) -> str:
        """The measure whose name begins so; what follows is what kind of number it is. Empty where there is none."""
        names = (name for entry in self.kept["seeds"].values() for name in entry["measures"])
        return next((name for name in names if name.startswith(prefix)), "")

    @property
    def name(self) -> str:
        """With a link to the picture, and a star where the preset has changed since."""
        star = "" if self.kept["run"] == recipe(self.preset.run) else " *"
        is_told = self.source.condition is not None and not isinstance(self.run.family, Translates)
        told = "caption" if self.source.is_told("text") else "label"
        given = f", told the {told}" if is_told else ""
        return f"[{self.preset.name}](pictures/{self.preset.name}.png){given}{star}"


class Page:
    """The tables, one after the other."""

    def __init__(self, results: Mapping[str, Kept]) -> None:
        self.results = [Result(preset, results[name]) for name, preset in PRESETS.items() if name in results]

    @cached_property
    def machines(self) -> list[str]:
        entries = [entry for result in self.results for entry in result.kept["seeds"].values()]
        return sorted({f"{entry['where']}, {entry['when']}" for entry in entries})

    def lines(self) -> Iterator[str]:
        yield INTRODUCTION
        yield from self.densities()
        yield from self.without_likelihood()
        yield from self.images()
        yield from self.translations()
        yield from self.others()
        yield from self.papers()
        yield from ("", "## Where and when", "")
        for number, machine in enumerate(self.machines, 1):
            yield f"{number}. {machine}"

    def densities(self) -> Iterator[str]:
        scored = [result for result in self.results if result.values("above_floor_nats")]
        yield from ("", "## Densities in the plane", "")
        yield DENSITIES
        for data, results in by_data(scored):
            source = results[0].source
            entropy = f": {source.entropy_nats:.4f} nats" if isinstance(source, Toy) else ""
            yield from ("", f"### {TITLES[data]}{entropy}", "")
            columns = ["preset", "nats above", "of one seed", "kind", "wanted", ""]
            rows = sorted(results, key=lambda result: mean(result.values("above_floor_nats")))
            yield from self.table(columns, rows, density_cells)

    def without_likelihood(self) -> Iterator[str]:
        rest = [r for r in self.results if r.data in TOYS and not r.values("above_floor_nats")]
        yield from ("", "## Without a likelihood", "")
        yield SAMPLES
        for data, results in by_data(rest):
            yield from ("", f"### {TITLES[data]}", "", perfect(results[0].source), "")
            columns = ["preset", "sliced W", "modes", "high quality, %"]
            rows = sorted(results, key=lambda result: mean(result.values("sliced_wasserstein") or [inf]))
            yield from self.table(columns, rows, sample_cells)

    def images(self) -> Iterator[str]:
        pictured = [result for result in self.results if result.data in TITLES and result.data not in TOYS]
        yield from ("", "## Images", "")
        yield IMAGES
        for data, results in by_data(pictured):
            yield from ("", f"### {TITLES[data]}", "")
            columns = [*IMAGE_COLUMNS, "sliced W", "rows"]
            rows = sorted(results, key=lambda result: mean(result.values(result.named(BITS)) or [inf]))
            yield from self.table(columns, rows, image_cells)

    def translations(self) -> Iterator[str]:
        rows = [result for result in self.results if isinstance(result.run.family, Translates)]
        if rows:
            yield from ("", "## Translations", "")
            yield from (TRANSLATIONS, "")
            columns = ["preset", "to the truth", "(rows that stay)", "sliced W", "(rows that stay)", "cycle"]
            yield from self.table(columns, rows, translation_cells)

    def others(self) -> Iterator[str]:
        rest = [
            result
            for result in self.results
            if result.data not in TITLES and not isinstance(result.run.family, Translates)
        ]
        if rest:
            yield from ("", "## Others", "")
            yield from self.table(["preset", "measures"], rest, other_cells)

    def papers(self) -> Iterator[str]:
        yield from ("", "## Beside papers", "")
        yield PAPERS
        yield from ("", "| data | model | modes | high quality | from | what differs |", "|---|---|---|---|---|---|")
        for data in dict.fromkeys(row.source for row in MODES):
            for row in MODES:
                if row.source == data:
                    found = f"{row.modes_found} | {row.high_quality}"
                    yield f"| {TITLES[data]} | {row.model} | {found} | {row.where} | {row.differs} |"
            for result in self.results:
                if result.data == data and result.values("modes_found"):
                    modes, quality = result.told("modes_found"), result.told("high_quality_share", share=True)
                    yield f"| {TITLES[data]} | {result.preset.name} | {modes} | {quality} % | ours | |"

    def table(self, columns: list[str], results: list[Result], cells: Callable[[Result], list[str]]) -> Iterator[str]:
        """With what every table tells: budget, time, seeds, machine."""
        columns = [*columns, "budget", "train, s", "seeds", "on"]
        yield "| " + " | ".join(columns) + " |"
        yield "|---" * len(columns) + "|"
        for result in results:
            entries = result.kept["seeds"].values()
            machines = {self.machines.index(f"{entry['where']}, {entry['when']}") + 1 for entry in entries}
            common = [
                budget(result.run),
                f"{mean(result.values('train_s')):.0f}",
                str(len(entries)),
                ", ".join(map(str, sorted(machines))),
            ]
            yield "| " + " | ".join([result.name, *cells(result), *common]) + " |"


def page(results: Mapping[str, Kept]) -> str:
    return "\n".join(Page(results).lines()) + "\n"


TOYS = [name for name in TITLES if name not in SPECS]


def by_data(results: list[Result]) -> Iterator[tuple[str, list[Result]]]:
    """In the order of the titles."""
    for data in TITLES:
        those = [result for result in results if result.data == data]
        if those:
            yield data, those


def density_cells(result: Result) -> list[str]:
    above = result.values("above_floor_nats")
    errors = result.values("above_floor_std_error_nats")
    wanted = wanted_nats(result.run)
    verdict = "" if wanted is None else "reached" if mean(above) <= wanted else "**not reached**"
    return [
        f"{mean(above):.4f}" + (f" ± {stdev(above):.4f}" if len(above) > 1 else ""),
        f"± {mean(errors):.4f}" if errors else "",
        kind(result.named(LOG_PROB), LOG_PROB),
        "" if wanted is None else f"{wanted}",
        verdict,
    ]


def sample_cells(result: Result) -> list[str]:
    return [
        result.told("sliced_wasserstein"),
        result.told("modes_found"),
        result.told("high_quality_share", share=True),
    ]


def translation_cells(result: Result) -> list[str]:
    return [
        result.told("translation_rmse"),
        result.told("untranslated_rmse"),
        result.told("translated_sliced_wasserstein"),
        result.told("untranslated_sliced_wasserstein"),
        result.told("validation_rmse_of_cycle"),
    ]


def image_cells(result: Result) -> list[str]:
    bits, log_p = result.named(BITS), result.named(LOG_PROB)
    return [
        bits and f"{result.told(bits)} ({kind(bits, BITS)})",
        result.told(log_p),
        kind(log_p, LOG_PROB),
        draws_of(result.run.family) if log_p else "",
        result.told("validation_rmse"),
        result.told("active_units"),
        mutual_information(result),
        result.told("sliced_wasserstein"),
        rows_of_distance(result),
    ]


def draws_of(family: Family) -> str:
    """How a likelihood is estimated: in one logarithm of k draws, in a mean of logarithms, or not at all."""
    chosen = family.ScoreOptions().model_dump() if isinstance(family, Scores) else {}
    if "k" in chosen:
        return f"k = {chosen['k']}"
    return f"mean of {chosen['draws']}" if "draws" in chosen else "no draws"


def mutual_information(result: Result) -> str:
    """With a sign where the estimate is at its ceiling, the logarithm of the held-out rows, and ranks nothing."""
    values = result.values("mutual_information_nats")
    if not values:
        return ""
    at_ceiling = mean(values) > AT_CEILING * log(HELD_OUT[result.data])
    return f"≥ {mean(values):.4g} (ceiling)" if at_ceiling else result.told("mutual_information_nats")


def rows_of_distance(result: Result) -> str:
    """How many samples were compared with held-out rows; of results before that was kept, by the rule of then."""
    kept = result.values("sliced_wasserstein_rows")
    if kept:
        return f"{mean(kept):.0f}"
    family = result.run.family
    if not isinstance(family, Samples) or not result.values("sliced_wasserstein"):
        return ""
    return str(max(32, min(512, 6_400 // sampler_steps(family, result))))


def sampler_steps(family: Samples, result: Result) -> int:
    """Of its default sampler, on the data of the result."""
    labels = None if result.source.condition is None else Labels(n_classes=10)
    told = TEXT if result.source.is_told("text") else labels
    nets = result.run.family.build(SPECS[result.data].model_copy(update={"condition": told}))
    return family.sampler(nets, family.SampleOptions()).steps


def kind(measure: str, prefix: str) -> str:
    return measure.removeprefix(prefix).replace("_", " ")


def other_cells(result: Result) -> list[str]:
    first = next(iter(result.kept["seeds"].values()))["measures"]
    return [", ".join(f"{name} {result.told(name)}" for name in first if name not in SHOWN)]


def budget(run: Run) -> str:
    steps, epochs = run.budget.steps, run.budget.epochs
    return f"{steps:,} steps" if steps is not None else f"{epochs} epochs"


def perfect(source: Source) -> str:
    """What fresh rows of the density itself reach."""
    if not isinstance(source, Toy):
        return ""
    draws = [source.draw(DRAWN_VECTORS, np.random.default_rng(seed)) for seed in range(6)]
    distances = [sliced_wasserstein(a, b) for a, b in zip(draws[::2], draws[1::2], strict=True)]
    modes = f", {len(source.centers)} modes, 98.889 % of high quality" if isinstance(source, Mixture) else ""
    return f"The density itself: {mean(distances):.4f}{modes}."
