"""What a dataset would be as data of a run: told before a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pushforward.models.config.described import Described
from pushforward.models.data import AnyData, Idx, Images, Npy, TableFile
from pushforward.models.data.uploads.datasets import Dataset
from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.application.commands.asks import Command
from pushforward.service.application.commands.uploads import OutlineDataset
from pushforward.service.application.commands.validation import parse
from pushforward.service.application.training import outlined

SOURCES = {
    media_type: cls.model_fields["source"].default
    for cls in (Idx, Images, Npy, TableFile)
    for media_type in cls.media_types
}
"""That read a dataset, by its media type."""


class DatasetOutline(Described):
    """What a dataset is as data of a run."""

    data: dict[str, Any]
    """The data of a run, to be copied."""
    rows: int | None
    """Rows that there are, those held out among them."""
    spec: DataSpec
    """Shape, range, levels, the columns of a table."""
    reasons: dict[str, str]
    """Why each column of a table is of its kind, by name."""


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
        data={"source": source.source, **data}, rows=told.spec.n_rows, spec=told.spec, reasons=told.reasons
    )
