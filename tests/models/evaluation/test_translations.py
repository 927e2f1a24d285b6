"""What is measured of translations: the truth costs nothing, and to stay costs what the table says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pushforward.models.data import KnowsTranslations, Rows
from pushforward.models.evaluation.translations import distances, measure
from pushforward.models.family import Translates
from pushforward.models.networks import Nets
from pushforward.models.run import Run
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.state import TrainingState, fresh

SOURCES: dict[str, dict[str, Any]] = {
    "turned_moons": {"source": "turned_moons"},
    "thick": {"source": "styled_digits"},
    "colored": {"source": "styled_digits", "styles": ["plain", "colored"]},
}


class Oracle(Translates):
    """Translates as the source does, or not at all."""

    def __init__(self, data: TrainingData, rows: Rows, *, stays: bool = False) -> None:
        self.data, self.rows, self.stays = data, rows, stays

    def translate(self, nets: Nets, x: Tensor, to: Tensor, c: Tensor) -> Tensor:
        source, condition = self.data.source, self.data.spec.condition
        if self.stays or not isinstance(source, KnowsTranslations) or condition is None:
            return x
        y = condition.values(c)[:, 0].numpy().astype(np.int64)
        rows = self.rows._replace(x=x.numpy(), y=y)
        return torch.from_numpy(source.counterparts(rows, condition.values(to).numpy())[-1].astype(np.float32))

    def other(self, nets: Nets, c: Tensor) -> Tensor:
        return c.roll(1, 1)


def untrained(source: str) -> tuple[TrainingData, TrainingState]:
    run = Run.model_validate({"family": {"family": "cyclegan"}, "data": {**SOURCES[source], "condition": "label"}})
    data = load_data(run, Path())
    return data, fresh(run, data, torch.device("cpu"))


def oracle(data: TrainingData, *, stays: bool = False) -> Oracle:
    return Oracle(data, data.validation.of(np.arange(min(2000, len(data.validation.x)))), stays=stays)


@pytest.mark.parametrize("source", SOURCES)
def test_the_truth_has_no_error_and_closes_its_cycles(source: str) -> None:
    data, state = untrained(source)
    metrics = measure(oracle(data), data, state)
    assert metrics["translation_rmse"] == 0
    assert metrics["validation_rmse_of_cycle"] == pytest.approx(0, abs=1e-6)
    assert metrics["translated_sliced_wasserstein"] < 0.35 * metrics["untranslated_sliced_wasserstein"]


@pytest.mark.parametrize("source", SOURCES)
def test_rows_that_stay_are_as_far_as_the_baseline_says(source: str) -> None:
    data, state = untrained(source)
    metrics = measure(oracle(data, stays=True), data, state)
    assert metrics["translation_rmse"] == metrics["untranslated_rmse"] > 0
    assert metrics["translated_sliced_wasserstein"] == metrics["untranslated_sliced_wasserstein"] > 0.3


def test_domains_of_few_rows_have_no_distance() -> None:
    x = np.random.default_rng(0).standard_normal((14, 2))
    domain = np.repeat([[0.0], [1.0]], 7, axis=0)
    assert distances(x, x, domain, 1 - domain, (2,)) == {}


def test_a_distance_does_not_depend_on_units() -> None:
    x = np.random.default_rng(0).standard_normal((200, 2))
    domain = (np.arange(200) % 2)[:, None].astype(float)
    plain, scaled = (distances(k * (x + 1), k * x, domain, 1 - domain, (2,)) for k in (1.0, 1000.0))
    assert scaled == pytest.approx(plain)
