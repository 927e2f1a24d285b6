r"""Rows of tables beside those of a baseline: log-likelihoods under independent columns.

    log p(x) = sum_i log P_i(k_i) + sum_j [log p_j(u_j) + log g_j'(r_j)]

P_i has the frequencies of the cases, half a count added to each (Krichevsky & Trofimov, 1981), and p_j is a kernel
density of the numbers as networks see them (`models.evaluation.baselines`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pushforward.models.evaluation.baselines import Floats, kernel_density
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.tables.coding import CodedRows, coded_rows, coder, decode_row
from pushforward.models.tables.table import Table
from pushforward.models.training.data import TrainingData


def independent_columns(train: NDArray[Any], rows: NDArray[Any], spec: DataSpec) -> Floats:
    """Log p by the product of one distribution for each column, (n,) nats.  train: (N, C), rows: (n, C) cells."""
    if spec.table is None:
        raise ValueError("the rows are those of a table")
    known, asked = (coder(spec.table, torch.device("cpu")).encode(torch.from_numpy(x)) for x in (train, rows))
    value = asked.log_derivative.sum(1).numpy().copy()
    for i, size in enumerate(spec.table.sizes):
        counts = np.bincount(known.k[:, i].numpy(), minlength=size)
        value += np.log((counts[asked.k[:, i].numpy()] + 0.5) / (len(train) + 0.5 * size))
    for j in range(len(spec.table.numbers)):
        there = asked.present[:, j].numpy()
        fitted = _numbers(known, j)
        if there.any() and len(fitted) > 1:
            value[there] += kernel_density(fitted, _numbers(asked, j))
    return np.asarray(value, np.float64)


def as_seen(data: TrainingData) -> TrainingData:
    """The held-out rows of a table as networks see them."""
    if data.spec.table is None:
        return data
    (x,) = coded(data.spec.table, data.validation.x)
    return replace(data, spec=data.spec.coded, validation=data.validation._replace(x=x))


def coded(table: Table, *rows: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Rows of cells, (N, C), as networks see them, (N, W)."""
    return tuple(coded_rows(table, torch.from_numpy(np.asarray(x, np.float64))).numpy() for x in rows)


def rounded(table: Table, v: NDArray[Any]) -> NDArray[Any]:
    """Rows, (n, W), whose choices are no one-hot codes, as rows that cells have: of each choice the largest case."""
    return coded_rows(table, decode_row(table, torch.from_numpy(v))).numpy()


def _numbers(rows: CodedRows, j: int) -> Floats:
    """The numbers of a column that are there, (n, 1)."""
    return rows.u[rows.present[:, j], j].double().numpy()[:, None]
