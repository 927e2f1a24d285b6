"""Commands, the same for every API, validated here once. Unknown fields are errors."""

from __future__ import annotations

from typing import Annotated, Any, Self, get_args

from pydantic import Field, field_validator, model_validator

from pushforward.models.geometry.interpolation import PathName
from pushforward.service.application.commands.asks import Ask, Command, OfRows, OfRowsOrGrid, lacks
from pushforward.service.application.commands.fields import (
    Against,
    Array,
    Domain,
    Priority,
    Records,
    Seed,
)
from pushforward.service.application.commands.metric_names import MetricNames
from pushforward.service.application.commands.runs import AskedRun, StartFrom
from pushforward.service.application.commands.sweep import Sweep
from pushforward.service.application.commands.where import Where
from pushforward.service.domain.catalog import Name, Reference
from pushforward.service.domain.errors import Invalid


class TrainModel(Command):
    """Train `model`: its next version is what `run` leaves, or a preset or a model trained on, with fields of `run`."""

    model: Name
    """Name of the model; the job publishes its next version."""
    preset: str | None = None
    """A run by name, see the list of presets."""
    start_from: StartFrom | None = None
    """Version of a model whose training goes on or is fine-tuned, or `job:` and the id of one that did not succeed."""
    run: AskedRun = None
    """The run; beside `preset` or `start_from`, the fields of their run to change."""
    priority: Priority = 0
    """Which waiting jobs are claimed first: -100 to 100, the highest first; it may preempt a lower one that runs."""
    sweep: Sweep | None = None
    """Train once for each of several values of fields of the run; left out: once."""

    @model_validator(mode="after")
    def _any(self) -> Self:
        if self.preset is None and self.start_from is None and self.run is None:
            raise lacks(
                "give preset, start_from or run, or one of the first two and fields of its run to change", "run"
            )
        return self


class Evaluate(Command):
    """Compare samples of a model with rows of data: a job, whose report is on the model's card."""

    model: Reference
    """`name` is the newest version, `name@3` is version 3."""
    against: Against = "held_out"
    """What to compare with: "held_out", the rows held out from training, or a source of data, as in a run."""
    metrics: MetricNames | None = None
    """Metrics to measure, in this order; left out: all that apply to the model."""
    target: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Column that `train_on_synthetic` predicts; left out: the last category of the table, else its last number."""
    n: Annotated[int, Field(ge=50, le=5_000, strict=True)] = 1_000
    """Samples to draw; at most as many as there are training rows are compared."""
    seed: Seed = 0
    """Seed of the samples and of all that is random in the metrics."""
    priority: Priority = 0
    """Which waiting jobs are claimed first: -100 to 100, the highest first."""


class Sample(Ask):
    """Draw `n` new rows. The same seed gives the same rows; without one, the response has the seed that was used."""

    op = "sample"

    n: Annotated[int, Field(ge=1, strict=True)] = 1
    """Rows to draw."""
    seed: Seed | None = None
    """The same seed gives the same rows; without one, a random seed, which the response has."""
    # For responses that are streams.
    preview_every: Annotated[int, Field(ge=1, lt=2**31, strict=True)] | None = None
    """Sampler steps between two previews, for responses that are a stream of events."""
    where: tuple[Where, ...] | None = None
    """What rows of a table must fulfil: others are drawn and left out."""
    max_tries: Annotated[int, Field(ge=1, le=100_000, strict=True)] = 1_000
    """Rows drawn for each row that is wanted, at most; with `where`."""
    priority: Priority = 0
    """Of a job that writes a file, which waiting ones are claimed first: -100 to 100, the highest first."""


class Likelihood(OfRowsOrGrid):
    """log p(x) of each row, in nats. `seed` fixes the noise where the likelihood is an estimate."""

    op = "likelihood"

    seed: Seed = 0
    """Seed of the noise, where the likelihood is an estimate."""


class Score(OfRows):
    """Where log p(x) of each row stands among that of held-out rows: p-values, and rows to look at."""

    op = "likelihood"

    options: dict[str, Any] = Field(default_factory=dict, json_schema_extra={"maxProperties": 0})
    """None are taken: held-out rows were scored with the defaults of the model's family."""
    false_alarm_rate: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Share of ordinary rows that may be flagged."""
    seed: Seed = 0
    """Seed of the noise, where the likelihood is an estimate."""

    @field_validator("options")
    @classmethod
    def _defaults_only(cls, options: dict[str, Any]) -> dict[str, Any]:
        if options:
            message = "are not taken, because held-out rows were scored with the defaults; leave them out"
            raise Invalid.field("options", message)
        return options


class Encode(OfRows):
    """The latent code of each row."""

    op = "encode"


class Decode(Ask):
    """The data of each latent code."""

    op = "decode"

    z: Array
    """Codes to decode, [n, *latent_shape]."""


class Reconstruct(OfRows):
    """Encode and decode each row; of a model that translates, translate it to another domain and back."""

    op = "reconstruct"


class Interpolate(Ask):
    """Interpolate from one row to another (`start`, `end`), or from one sample to another (`start_seed`, `end_seed`).

    `steps` rows, both ends included. `slerp` follows the great circle between the latent codes, `linear` the chord;
    the default depends on the distribution of the model's codes.
    """

    op = "interpolate"

    start: Array | None = None
    """The first row, of shape `shape`; with `end`."""
    end: Array | None = None
    """The last row, of shape `shape`; with `start`."""
    start_seed: Seed | None = None
    """Seed of the sample to start from; with `end_seed`."""
    end_seed: Seed | None = None
    """Seed of the sample to end at; with `start_seed`."""
    steps: Annotated[int, Field(ge=2, strict=True)] = 8
    """Rows of the response, both ends included."""
    path: PathName | None = None
    """Great circle (slerp) or chord (linear) between the latent codes; the default depends on the model's codes."""

    @model_validator(mode="after")
    def _two_ends(self) -> Self:
        rows, seeds = ("start", "end"), ("start_seed", "end_seed")
        given = [name for name in (*rows, *seeds) if getattr(self, name) is not None]
        if given in ([*rows], [*seeds]):
            return self
        other = {"start": "end", "end": "start", "start_seed": "end_seed", "end_seed": "start_seed"}
        faulty = [other[given[0]]] if len(given) == 1 else given or [*rows]
        raise lacks("give start and end (data points), or start_seed and end_seed", *faulty)


class Complete(Ask):
    """Make whole rows of patches of them, of a part that a mask shows, or of a table's rows with missing cells.

    Known pixels are seen and not kept: the model draws the whole row, and they may come out otherwise. Known cells of a
    table are kept. The same seed gives the same rows; another seed gives others that fit what is known, too.
    """

    op = "complete"

    patches: Array | None = None
    """Patches of each row, [n, patches, *patch_shape], in any order."""
    x: Array | None = None
    """Rows of which a part is known, [n, *shape]; with `mask`. What is not known must be finite and in range, say 0."""
    mask: Array | None = None
    """1 where a row is known and 0 elsewhere: [height, width], or [n, height, width]; with `x`."""
    records: Records | None = None
    """Rows of a table, an object each; cells that are missing or null are drawn."""
    given: tuple[str, ...] | None = None
    """Columns whose null cells are given as missing, and not drawn; with `records`."""
    n: Annotated[int, Field(ge=1, le=1000, strict=True)] = 1
    """Rows drawn for each record, one after the other; with `records`."""
    seed: Seed = 0
    """Seed of what is not known."""

    @model_validator(mode="after")
    def _patches_or_part(self) -> Self:
        given = [name for name in ("patches", "x", "mask", "records") if getattr(self, name) is not None]
        if given != ["records"] and (self.given is not None or self.n != 1):
            raise Invalid.field("n" if self.given is None else "given", "is for records; leave it out")
        if given in (["patches"], ["x", "mask"], ["records"]):
            return self
        if given == ["x"]:
            raise Invalid.field(
                "mask", "is missing; give 1 where x is known and 0 elsewhere, or patches in their place"
            )
        if given == ["mask"]:
            raise Invalid.field("x", "is missing; give the rows of which mask shows a part, or patches in their place")
        if not given:
            raise lacks("give patches, x and mask, or records", "patches")
        raise Invalid.field(given[-1], f"is given beside {given[0]}; give patches, x and mask, or records")

    @property
    def rows(self) -> tuple[str, int]:
        """The field that has a row for each row of the answer, and how many they are."""
        return (
            ("x", len(self.x)) if self.x is not None else ("patches", 0 if self.patches is None else len(self.patches))
        )


class Translate(Ask):
    """Translate each row to another domain: to the label or the vector `to`."""

    op = "translate"

    x: Array
    """Rows to translate, [n, *shape]."""
    to: Domain
    """The domain to translate to, a label or a vector: for all rows, or one for each row."""


AnyAsk = Sample | Likelihood | Score | Encode | Decode | Reconstruct | Interpolate | Complete | Translate
ASKS: dict[str, type[AnyAsk]] = {cls.__name__.lower(): cls for cls in get_args(AnyAsk)}  # by path
