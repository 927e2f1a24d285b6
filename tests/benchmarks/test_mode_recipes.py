"""Every adversarial game and every f-divergence is measured on the ring and on the grid."""

from typing import get_args

import pytest

from benchmarks.mode_recipes import DATA, RECIPES, Task
from pushforward.models.adversarial.divergences import AnyFDivergence
from pushforward.models.adversarial.games import FGAN, AnyGame
from pushforward.models.families.gan import GAN
from pushforward.models.run import Run

TASKS = [Task(data, recipe, 0) for recipe in RECIPES.values() for data in DATA]


def gan(task: Task) -> GAN:
    family = Run.model_validate(task.run).family
    assert isinstance(family, GAN)
    return family


@pytest.mark.parametrize("data", DATA)
def test_every_game_and_every_divergence_has_a_recipe(data: str) -> None:
    games = [gan(task).game for task in TASKS if task.data == data]
    (union, _) = get_args(AnyGame)
    assert {type(game) for game in games} == set(get_args(union))
    (union, _) = get_args(AnyFDivergence)
    assert {type(game.divergence) for game in games if isinstance(game, FGAN)} == set(get_args(union))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.model)
def test_a_recipe_is_of_its_data(task: Task) -> None:
    assert Run.model_validate(task.run).data == DATA[task.data]
