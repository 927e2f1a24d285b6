"""Two moons, and two moons turned by 90 degrees about their center: two domains of the plane."""

from __future__ import annotations

from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pushforward.models.data.source import Float32Array, KnowsTranslations, Rows, Toy
from pushforward.models.data.toys import TwoMoons

QUARTER_TURN = np.array([[0.0, -1.0], [1.0, 0.0]], np.float32)


@final
class TurnedMoons(Toy, KnowsTranslations):
    """Two interleaved half circles, and the same turned by 90 degrees about their center; the label says which.

    The moons are what they were after half a turn, so a quarter turn to the right is as true a translation as one to
    the left, and rows alone do not tell which one is meant.
    """

    source: Literal["turned_moons"] = "turned_moons"
    noise: float = Field(0.1, ge=0.02, le=0.5)
    """Standard deviation of the noise around the half circles."""

    mean = (0.5, 0.25)
    std = (0.71, 0.71)

    @property
    def n_parts(self) -> int:
        return 2

    def labeled(self, n: int, rng: np.random.Generator) -> tuple[Float32Array, NDArray[np.int64]]:
        x, turned = TwoMoons(noise=self.noise).draw(n, rng), rng.integers(2, size=n)
        return np.where(turned[:, None] == 1, _turned(x, QUARTER_TURN), x), turned

    def counterparts(self, rows: Rows, to: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        if rows.y is None:
            raise ValueError("these rows do not say which domain they are from")
        goes, back = rows.y < to[:, 0], rows.y > to[:, 0]
        found = []
        for turn in (QUARTER_TURN, QUARTER_TURN.T):  # to the left on the way to 1, and to the right
            x = rows.x.copy()
            x[goes], x[back] = _turned(x[goes], turn), _turned(x[back], turn.T)
            found.append(x)
        return tuple(found)

    @property
    def entropy_nats(self) -> float:
        # By quadrature on a square about the center, which a quarter turn maps to itself.
        h = self.noise / 4
        side = np.arange(0.5, (1.5 + 6 * self.noise) / h) * h
        side = np.concatenate([-side[::-1], side])
        density = TwoMoons(noise=self.noise).density(self.mean[0] + side, self.mean[1] + side)
        both = (density + density[:, ::-1].T) / 2
        return float(-np.sum(both * np.log(both + 1e-300)) * h * h)


def _turned(x: NDArray[Any], turn: NDArray[np.float32]) -> NDArray[Any]:
    center = np.array(TurnedMoons.mean, np.float32)
    turned: NDArray[Any] = (x - center) @ turn.T + center
    return turned
