"""What benchmarks/modes.py trains: a row for every game and every f-divergence, on a ring and on a grid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pushforward.models.data import GridGaussians, RingGaussians
from pushforward.models.data.toys import Mixture
from pushforward.models.presets import PRESETS

DATA: dict[str, Mixture] = {"ring": RingGaussians(), "grid": GridGaussians()}
DIVERGENCES = (
    "kl",
    "reverse_kl",
    "pearson",
    "neyman",
    "squared_hellinger",
    "jeffrey",
    "jensen_shannon",
    "weighted_jensen_shannon",
    "gan",
    "alpha",
    "total_variation",
)


class Recipe(NamedTuple):
    """A game and what holds its critic."""

    name: str
    wanted: bool  # to find all modes
    family: dict[str, Any]  # what is not as in the preset of the data


def recipes() -> Iterator[Recipe]:
    for name in ("gan", "wgan-gp", "mmd-gan", "cramer-gan", "hinge-gan", "pacgan"):  # presets of both data
        yield Recipe(name, True, {})
    yield Recipe("minimax", False, {"game": {"game": "minimax"}, "regularizers": []})
    yield Recipe("wgan-clip", False, {"game": WASSERSTEIN, "regularizers": [{"regularizer": "weight_clipping"}]})
    yield Recipe("wgan-sn", False, {"game": WASSERSTEIN, "regularizers": [{"regularizer": "spectral_norm"}]})
    yield Recipe("least_squares", False, {"game": {"game": "least_squares"}})
    yield Recipe("relativistic_average", False, {"game": {"game": "relativistic_average"}})
    yield Recipe("began", False, {"game": {"game": "began"}, "regularizers": []})
    for divergence in DIVERGENCES:
        yield Recipe(
            f"f-{divergence}", False, {"game": {"game": "f_divergence", "divergence": {"divergence": divergence}}}
        )


WASSERSTEIN = {"game": "wasserstein"}
RECIPES = {recipe.name: recipe for recipe in recipes()}
SHORT_STEPS, SHORT_BATCH = 2_000, 128  # of games of which nothing is wanted


class Task(NamedTuple):
    """A recipe to be trained."""

    data: str
    recipe: Recipe
    seed: int

    @property
    def model(self) -> str:
        return f"{self.recipe.name}-{self.data}-{self.seed}".replace("_", "-")

    @property
    def preset(self) -> str:
        return f"{self.recipe.name}-{self.data}-gaussians"

    @property
    def run(self) -> dict[str, Any]:
        if self.recipe.wanted:
            return PRESETS[self.preset].run.model_dump(mode="json")
        run = PRESETS[f"gan-{self.data}-gaussians"].run.model_dump(mode="json")
        optimizer = {**run["optimizer"], "batch_size": SHORT_BATCH}
        family = {**run["family"], **self.recipe.family}
        return {**run, "family": family, "optimizer": optimizer, "budget": {"steps": SHORT_STEPS}}
