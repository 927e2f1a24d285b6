"""The rows that a run trains on and those it holds out, in data units."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pushforward.models.data import Finite, Rows, Source, Toy
from pushforward.models.data.diagnosis import diagnose
from pushforward.models.data.mapped.pieces import Numbers
from pushforward.models.data.mapped.scratch import IN_MEMORY, ScratchSpace
from pushforward.models.errors import InvalidData
from pushforward.models.run import Run
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.training.rows import RowsOnDisk, held

VALIDATION_SHARE = 0.1  # of the rows of a finite source, at most VALIDATION_ROWS
VALIDATION_ROWS = 5_000


@dataclass(frozen=True)
class TrainingData:
    """The training and validation rows of a run, and what they are."""

    spec: DataSpec
    source: Source
    train: Rows | RowsOnDisk | Toy  # rows in memory or in a mapped file, or a density drawn from afresh
    validation: Rows
    fingerprint: str
    notes: tuple[str, ...] = ()  # for users of the model, a sentence each
    card_spec: DataSpec | None = None  # with the constant columns, which `spec` leaves out

    @property
    def n_rows(self) -> int | None:
        """Training rows; None where they are drawn afresh."""
        if isinstance(self.train, Toy):
            return None
        return len(self.train) if isinstance(self.train, RowsOnDisk) else len(self.train.x)


def load_data(run: Run, root: Path, scratch: ScratchSpace = IN_MEMORY) -> TrainingData:
    """Read the data of a run and hold out its validation rows.

    Rows that `scratch` does not keep in memory stay in mapped files; all that is made of them is the same.

    Raises:
        InvalidData: with the field from `run.data`.
        Hindered: the disk is at fault.
    """
    source = run.data
    try:
        if isinstance(source, Toy):
            held_out = source.rows(VALIDATION_ROWS, numpy_rng(source.seed, 2**32))
            spec = _with_condition(source.spec, source, held_out)
            rows = fixed_rows(source)
            if rows is None:
                return TrainingData(spec, source, source, held_out, _recipe(source))
            return TrainingData(
                spec.model_copy(update={"n_rows": len(rows.x)}), source, rows, held_out, rows.fingerprint
            )
        if not isinstance(source, Finite):
            raise TypeError(f"{type(source).__name__} is neither a Toy nor a Finite source")
        rows = source.rows(root, scratch if scratch.folder is None else scratch.of(source.identity(root)))
        n = min(VALIDATION_ROWS, max(1, round(VALIDATION_SHARE * len(rows.x))))
        kept, others = source.divided(len(rows.x), n, numpy_rng(run.seed, 2**32))
        spec = _with_condition(source.spec(rows, kept), source, rows, kept)
        notes = (*source.notes(root), *diagnose(spec, rows, kept))
    except InvalidData as error:
        fault = source.reworded(error)
        raise InvalidData(fault.message, field=f"run.data.{fault.field}" if fault.field else "run.data") from error
    train = held(spec, rows.of(kept)) if scratch.holds(rows.n_bytes) else RowsOnDisk(rows, kept, spec)
    spec = spec.model_copy(update={"n_rows": len(kept)})
    return TrainingData(spec.varying, source, train, held(spec, rows.of(others)), rows.fingerprint, notes, spec)


def coded(data: TrainingData, values: Tensor) -> Tensor:
    """Conditions, (B, C), of their values, (B, V)."""
    return values if data.spec.condition is None else data.spec.condition.code(values)


def in_data_units(data: TrainingData, rows: Rows, device: torch.device) -> Tensor:
    """Some rows, (B, *shape), in the type that data units are held in."""
    return torch.from_numpy(rows.x.astype(data.spec.dtype, copy=False)).to(device)


def conditions(data: TrainingData, rows: Rows, device: torch.device) -> Tensor:
    """The conditions of rows, (B, C)."""
    return coded(data, torch.from_numpy(data.source.condition_values(rows)).to(device))


def held_out(data: TrainingData, which: slice, device: torch.device) -> tuple[Tensor, Tensor]:
    """Some validation rows: x, (B, *shape), and c, (B, C)."""
    rows = data.validation.of(np.arange(len(data.validation.x))[which])
    return in_data_units(data, rows, device), conditions(data, rows, device)


def fixed_rows(source: Toy) -> Rows | None:
    """The rows of a density that draws a fixed number of them; None where they are drawn afresh."""
    return None if source.n is None else source.rows(source.n, numpy_rng(source.seed, 2**32 + 1))


def numpy_rng(seed: int, stream: int) -> np.random.Generator:
    """The generator of one stream of a seed."""
    return np.random.Generator(np.random.PCG64([seed, stream]))


def _with_condition(spec: DataSpec, source: Source, rows: Rows, training: Numbers | None = None) -> DataSpec:
    return spec.model_copy(update={"condition": source.conditions(rows, training)})


def _recipe(source: Toy) -> str:
    return sha256(source.model_dump_json().encode()).hexdigest()
