"""Handwritten digits in several styles, each digit in one of them: unpaired data whose true translation is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pushforward.models.data.digits import SPEC, Digits
from pushforward.models.data.domains.styles import CHANNELS, Style, styled
from pushforward.models.data.mapped.pieces import Numbers
from pushforward.models.data.mapped.scratch import IN_MEMORY, ScratchSpace
from pushforward.models.data.source import Finite, KnowsTranslations, Rows
from pushforward.models.spec.conditions import AnyCondition, Labels, Vector
from pushforward.models.spec.data_spec import DataSpec

N = 1797


@final
class StyledDigits(Finite, KnowsTranslations):
    """The digits of scikit-learn, restyled by exact maps; the condition is the style, and not which digit it is.

    With `label` each digit has one of the styles, equally often; the label is its place in `styles`. With `vector` each
    digit has any of them but `plain`, each with probability 1/2, and the vector has a 1 for those it has.

    Where `colored` is among the styles, all images have three channels: gray ones three that are equal.
    """

    source: Literal["styled_digits"] = "styled_digits"
    styles: tuple[Style, ...] = Field(("plain", "thick"), min_length=2, max_length=5)
    """The styles: plain, thick, slanted, inverted, colored."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Seed of which digit has which style."""
    # Other sources have labels only.
    condition: Literal["label", "vector"] | None = None  # type: ignore[assignment]
    """What the model is given beside each row: its style, or a vector of 0 and 1, one for each style but plain."""

    @model_validator(mode="after")
    def _different(self) -> Self:
        if len(set(self.styles)) < len(self.styles):
            raise ValueError("styles names one twice; name each once")
        return self

    @property
    def attributes(self) -> tuple[Style, ...]:
        """The styles that a vector tells of, in its order."""
        return tuple(style for style in self.styles if style != "plain")

    @property
    def labels_are(self) -> str:
        return f"the styles {', '.join(self.styles)}"

    def outline(self, root: Path) -> DataSpec:
        v = len(self.attributes)
        kinds: dict[str | None, AnyCondition] = {
            "label": Labels(n_classes=len(self.styles)),
            "vector": Vector(shift=(0.5,) * v, scale=(0.5,) * v),
        }
        return self.spec(Rows(np.empty(0), None)).model_copy(
            update={"condition": kinds.get(self.condition), "n_rows": N}
        )

    def rows(self, root: Path, scratch: ScratchSpace = IN_MEMORY) -> Rows:
        rng = np.random.Generator(np.random.PCG64([self.seed, 0]))
        digits = Digits().rows(root).x.repeat(self._channels, axis=1)
        if self.condition == "vector":
            c = rng.integers(2, size=(len(digits), len(self.attributes))).astype(np.float32)
            return self._restyled(Rows(digits, None, c, digits), c)
        y = rng.permutation(np.arange(len(digits)) % len(self.styles))
        return self._restyled(Rows(digits, y, None, digits), y[:, None])

    def spec(self, rows: Rows, training: Numbers | None = None) -> DataSpec:
        n_classes = None if self.condition == "vector" else len(self.styles)
        return SPEC.model_copy(update={"shape": (self._channels, *SPEC.shape[1:]), "n_classes": n_classes})

    def conditions(self, rows: Rows, training: Numbers | None = None) -> AnyCondition | None:
        if self.condition != "vector" or rows.c is None:
            return super().conditions(rows)
        mean = (rows.c if training is None else rows.c[training]).mean(0, dtype=np.float64)
        return Vector(shift=tuple(mean.tolist()), scale=tuple(np.sqrt(mean * (1 - mean)).tolist()))

    def condition_values(self, rows: Rows) -> NDArray[Any]:
        return rows.c if self.condition == "vector" and rows.c is not None else super().condition_values(rows)

    def counterparts(self, rows: Rows, to: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        return (self._restyled(rows, to).x,)

    @property
    def _channels(self) -> int:
        return CHANNELS if "colored" in self.styles else 1

    def _restyled(self, rows: Rows, to: NDArray[Any]) -> Rows:
        """Rows in the styles of `to`, (N, V), made of their originals."""
        if rows.origin is None or SPEC.low is None or SPEC.high is None:
            raise ValueError("these rows do not say what they were made of")
        x = np.empty_like(rows.origin)
        for value in np.unique(to, axis=0):
            of = (to == value).all(1)
            x[of] = styled(rows.origin[of], self._styles_of(value), low=SPEC.low, high=SPEC.high)
        return rows._replace(x=x)

    def _styles_of(self, value: NDArray[Any]) -> tuple[Style, ...]:
        if self.condition == "vector":
            return tuple(style for style, has in zip(self.attributes, value, strict=True) if has)
        return (self.styles[int(value[0])],)
