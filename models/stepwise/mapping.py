"""Step-wise maps of rows without randomness: data to codes, codes to data, data to data of another domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, final

from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import Shape
from pushforward.models.stepwise.program import Program, State, run

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

RowMap: TypeAlias = Program["tuple[Tensor, Tensor]", "Tensor"]  # given rows, (B, ...), and c, (B, C); draws no noise
Completer: TypeAlias = Program["tuple[Tensor, Tensor]", "Tensor"]  # given patches, (B, P, ...), and c, (B, C)
# Given rows, (B, *shape), and the domains that they go to and come from, (B, C) each; draws no noise.
Translator: TypeAlias = Program["tuple[Tensor, Tensor, Tensor]", "Tensor"]


def apply(
    row_map: RowMap, rows: Float[Tensor, " B *shape_in"], c: Float[Tensor, "B C"]
) -> Float[Tensor, " B *shape_out"]:
    """All steps for all rows at once."""
    return run(row_map, (rows, c), Noise.rows(0, len(rows), device=rows.device))


@final
@dataclass(frozen=True)
class Reconstruction(RowMap):
    """Data to codes to data. State: the encoder's, the decoder's, and c.

    The decoder of a row starts where its encoder has ended; until then the decoder's state is that of a code of zeros,
    held as conditions are: in the type of networks, which data need not share.
    """

    encoder: RowMap
    decoder: RowMap
    code_shape: Shape

    @property
    def steps(self) -> int:
        return self.encoder.steps + self.decoder.steps

    def init(self, given: tuple[Tensor, Tensor], noise: Noise) -> State:
        rows, c = given
        encoding = self.encoder.init(given, noise)
        z = c.new_zeros(len(rows), *self.code_shape) if self.encoder.steps else self.encoder.finish(encoding, noise)
        return *encoding, *self.decoder.init((z, c), noise), c

    def step(self, state: State, k: Int[Tensor, " B"], noise: Noise) -> State:
        encoding, decoding, c = self._parts(state, noise)
        encodes, ends = k < self.encoder.steps, k == self.encoder.steps - 1
        decodes = ~encodes
        if encodes.any():
            advanced = self.encoder.step(_select(encoding, encodes), k[encodes], noise[encodes.numpy()])
            encoding = _replace(encoding, encodes, advanced)
        if ends.any():
            z = self.encoder.finish(_select(encoding, ends), noise[ends.numpy()])
            (c_of_z,) = _select((c,), ends)
            decoding = _replace(decoding, ends, self.decoder.init((z, c_of_z), noise[ends.numpy()]))
        if decodes.any():
            advanced = self.decoder.step(
                _select(decoding, decodes), k[decodes] - self.encoder.steps, noise[decodes.numpy()]
            )
            decoding = _replace(decoding, decodes, advanced)
        return *encoding, *decoding, c

    def finish(self, state: State, noise: Noise) -> Float[Tensor, " B *shape"]:
        return self.decoder.finish(self._parts(state, noise)[1], noise)

    def _parts(self, state: State, noise: Noise) -> tuple[State, State, Tensor]:
        c = state[-1]
        n_decoding = len(self.decoder.init((c.new_empty(0, *self.code_shape), c[:0]), noise[:0]))
        return state[: -1 - n_decoding], state[-1 - n_decoding : -1], c


def _select(state: State, rows: Tensor) -> State:
    """Some rows, (B,) bool, of a state."""
    return tuple(part[rows.to(part.device)] for part in state)


def _replace(state: State, rows: Tensor, new: State) -> State:
    """A copy of a state with other values in some rows, (B,) bool."""
    replaced = []
    for part, fresh in zip(state, new, strict=True):
        part = part.to(fresh.dtype, copy=True)
        part[rows.to(part.device)] = fresh
        replaced.append(part)
    return tuple(replaced)
