"""What data would be to a run, and what a training would do: told before it."""

from __future__ import annotations

import inspect
from functools import partial
from pathlib import Path
from typing import Any

from pushforward.models.capabilities import capabilities
from pushforward.models.config.described import Described
from pushforward.models.data import AnyData, Finite, Idx, Images, Npy, TableFile
from pushforward.models.data.uploads.datasets import Dataset
from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.application.commands.asks import Command
from pushforward.service.application.commands.commands import TrainModel
from pushforward.service.application.commands.uploads import OutlineDataset
from pushforward.service.application.commands.validation import parse
from pushforward.service.application.trainings.training import CheckedRun, outlined, read_of_source
from pushforward.service.domain.errors import Failed, Overloaded, TimedOut, Unavailable
from pushforward.service.domain.forecasts import Forecast
from pushforward.service.domain.inference import FORECAST, InferenceRequest
from pushforward.service.domain.ports import Asks

FORECAST_S = 60.0  # that a forecast may take, the reading of the data in it

SOURCES = {
    media_type: cls.model_fields["source"].default
    for cls in (Idx, Images, Npy, TableFile)
    for media_type in cls.media_types
}
"""That read a dataset, by its media type."""


class DataOutline(Described):
    """What the data of a run are."""

    rows: int | None
    """Rows that there are, those held out among them; null where they are drawn afresh."""
    spec: DataSpec
    """Shape, range, levels, the columns of a table."""
    reasons: dict[str, str]
    """Why each column of a table is of its kind, by name."""


class DatasetOutline(DataOutline):
    """What a dataset is as data of a run."""

    data: dict[str, Any]
    """The data of a run, to be copied."""


class _Data(Command):
    """The data of a run."""

    data: AnyData


async def outline_of(dataset: Dataset, asked: OutlineDataset, data_root: Path) -> DatasetOutline:
    """Raises Invalid, Unavailable."""
    fields = {"source": SOURCES[dataset.media_type], **asked.data, "dataset": dataset.reference}
    source = parse(_Data, {"data": fields}).data
    told = await outlined(source, data_root, "data")
    data = source.model_dump(mode="json", exclude_defaults=True)
    data["dataset"] = dataset.name
    return DatasetOutline(
        rows=told.spec.n_rows, spec=told.spec, reasons=told.reasons, data={"source": source.source, **data}
    )


class TrainingPlan(Described):
    """What a training would do."""

    model: str
    """Name of the model; a training would publish its next version."""
    preset: str | None
    """Preset that the run comes from."""
    run: dict[str, Any]
    """The whole run, with its defaults."""
    form: str
    """What models these data: the family, or its form for tables, in a sentence."""
    capabilities: tuple[str, ...]
    """Capabilities that the model would have."""
    data: DataOutline
    """What the data are."""
    notes: tuple[str, ...]
    """Notes that are known before the rows are read, a sentence each; a training finds more."""
    forecast: Forecast | None
    """What the training will take, measured by a worker; null where none could measure it."""
    no_forecast: str | None
    """Why there is no forecast."""
    trials: int | None = None
    """Of a search: how many trainings it makes; the forecast is of one, by the run before its fields are searched."""


async def plan_of(command: TrainModel, checked: CheckedRun, data_root: Path, asks: Asks) -> TrainingPlan:
    """The plan of a run that fits its data. Raises Invalid, Unavailable."""
    run, form, told = checked
    fields = run.model_dump(mode="json")
    forecast, why = await _forecast(fields, asks)
    of_data: tuple[str, ...] = ()
    if isinstance(run.data, Finite):
        of_data = await read_of_source(run.data, partial(run.data.notes, data_root), "run.data")
    return TrainingPlan(
        model=command.model,
        preset=command.preset,
        run=fields,
        form=summary_of(type(form)),
        capabilities=capabilities(form),
        data=DataOutline(rows=told.spec.n_rows, spec=told.spec, reasons=told.reasons),
        notes=(*form.notes, *of_data, *(() if told.spec.table is None else told.spec.table.notes)),
        forecast=forecast,
        no_forecast=why,
    )


async def _forecast(run: dict[str, Any], asks: Asks) -> tuple[Forecast | None, str | None]:
    """What a worker foresees, or why none does. Raises Invalid: the run cannot be trained there."""
    request = InferenceRequest(FORECAST, "forecast", 1, 0, {"run": run})
    try:
        reply = await asks.ask(request, timeout_s=FORECAST_S)
    except (Unavailable, TimedOut, Overloaded, Failed) as error:
        return None, error.detail
    return Forecast.model_validate(reply.info), None


def summary_of(family: type[Any]) -> str:
    """What a family, or a form of it, is: the first line of its docstring."""
    return (inspect.getdoc(family) or "").partition("\n")[0]
