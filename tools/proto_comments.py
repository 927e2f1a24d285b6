"""The comments of the proto file: a field that REST has under the same name says what its description says.

Only what gRPC has in another form is written in the proto file itself, after "Over gRPC:".
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from pydantic import BaseModel

from pushforward.models.config.described import descriptions
from pushforward.models.data.uploads import datasets
from pushforward.models.storage import evaluation
from pushforward.models.tables import table
from pushforward.service.application.commands import commands, uploads
from pushforward.service.domain import catalog, charts, jobs, sweeps

# The messages that mirror a record or a command of REST.
MIRRORS: dict[str, type[BaseModel]] = {
    "Job": jobs.Job,
    "Sampling": jobs.Sampling,
    "ModelEvaluation": jobs.ModelEvaluation,
    "Sweep": sweeps.SweepRecord,
    "Trial": sweeps.TrialRecord,
    "LossCurves": charts.LossCurves,
    "LossCurve": charts.LossCurve,
    "ScoreHistogram": charts.ScoreHistogram,
    "Progress": jobs.Progress,
    "Fault": jobs.Fault,
    "JobEvent": jobs.Event,
    "Model": catalog.EvaluatedCard,
    "EvaluationReport": evaluation.EvaluationReport,
    "MetricReport": evaluation.MetricReport,
    "MetricValue": evaluation.MetricValue,
    "ClassifierCard": evaluation.ClassifierCard,
    "LabelCounts": evaluation.LabelCounts,
    "Measure": table.Measure,
    "Dataset": datasets.Dataset,
    "DatasetHeader": uploads.PutDataset,
    "TrainRequest": commands.TrainModel,
    "EvaluateRequest": commands.Evaluate,
    "SampleRequest": commands.Sample,
    "LikelihoodRequest": commands.Likelihood,
    "ScoreRequest": commands.Score,
    "EncodeRequest": commands.Encode,
    "DecodeRequest": commands.Decode,
    "ReconstructRequest": commands.Reconstruct,
    "InterpolateRequest": commands.Interpolate,
    "CompleteRequest": commands.Complete,
    "TranslateRequest": commands.Translate,
}
OWN = "Over gRPC:"
MESSAGE = re.compile(r"message (\w+) \{")
FIELD = re.compile(r"  [^/].*?(\w+) = \d+;")
WIDTH = 114


def described(proto: str) -> str:
    """The proto file with the comments of its mirrored fields made anew."""
    return "\n".join(_lines(proto.splitlines())) + "\n"


def _lines(proto: list[str]) -> Iterator[str]:
    mirrored: type[BaseModel] | None = None
    comment: list[str] = []
    for line in proto:
        if message := MESSAGE.match(line):
            mirrored = MIRRORS.get(message[1])
        if mirrored is not None and line.startswith("  // "):
            comment.append(line.removeprefix("  // "))
            continue
        if mirrored is not None and (field := FIELD.match(line)):
            text = _said(mirrored, field[1], " ".join(comment))
            comment = [*textwrap.wrap(text, WIDTH)]
        yield from (f"  // {words}" for words in comment)
        comment = []
        yield line


def _said(mirrored: type[BaseModel], name: str, before: str) -> str:
    """The description of a field, and what the proto file says of its own; as it was, without a description."""
    description = descriptions(mirrored).get(name)
    if description is None:
        return before
    _, own, words = before.partition(OWN)
    return sentence(description) + (f" {own}{words}" if own else "")


def sentence(description: str) -> str:
    """With a capital letter and a full stop."""
    words = " ".join(description.split()).rstrip(".")
    return words[:1].upper() + words[1:] + "."
