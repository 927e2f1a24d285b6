"""The pictures of a training: when each is made, so that all together cost it little.

Together they have `SHARE` of the training's time. The first of a kind is made after `FIRST_S`, on credit: what half of
the remaining time will allow; the others when the time so far allows what the latest took. A picture that turns out to
take longer is given up half-way, and tried again when it can be afforded. There are at most `MOST` of a kind, and one
at the last step. A kind that fails is told once and not made again: a picture never ends a training.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar, final

from pushforward.models.training.data import TrainingData
from pushforward.models.training.reports import views
from pushforward.models.training.reports.views import Making, What
from pushforward.models.training.state import TrainingState
from pushforward.service.formats import pictures
from pushforward.service.formats.pictures import Picture
from pushforward.service.runner.messages import PictureMessage

SHARE = 0.02  # of a training's time, for all pictures
FIRST_S = 3.0  # into an attempt
CREDIT = 0.5  # of the remaining time
LEAST_S = 1.0  # between two of a kind
LAST_S = 0.5  # that one at the last step may take at least
MOST = 60  # of a kind
HALF = 0.5  # of a picture: from there on it is finished

log = logging.getLogger(__name__)

T = TypeVar("T")


class TooSlowError(Exception):
    """A picture would take longer than it may."""

    def __init__(self, takes_s: float) -> None:
        self.takes_s = takes_s
        super().__init__(f"takes {takes_s:.1f} s")


@dataclass
class _Kind:
    """What is known of one kind."""

    made_at: float | None = None
    step: int | None = None
    takes_s: float = 0.0  # as far as known
    failed: bool = False


@final
class Pictures:
    """Those of one attempt."""

    def __init__(self, data: TrainingData, state: TrainingState, clock: Callable[[], float] = monotonic) -> None:
        self._data = data
        self._kinds = {what: _Kind() for what in views.views(state.family, data.spec)}
        self._clock = clock
        self._began = clock()
        self._spent_s = 0.0

    def after(self, state: TrainingState, seconds_left: float | None) -> Iterator[PictureMessage]:
        """The pictures that are due after a step."""
        for what, kind in self._kinds.items():
            allowed_s = self._allowed_s(kind, state, seconds_left)
            if allowed_s is not None and (picture := self._made(what, kind, state, allowed_s)) is not None:
                yield PictureMessage(
                    step=state.step,
                    what=what,
                    png=b64encode(picture.png).decode(),
                    width=picture.width,
                    height=picture.height,
                )

    def _allowed_s(self, kind: _Kind, state: TrainingState, seconds_left: float | None) -> float | None:
        """How long a picture may take now; None where none is due."""
        now = self._clock()
        elapsed_s = now - self._began
        is_last = state.step == state.total_steps
        if kind.failed:
            return None
        if not is_last:
            if kind.made_at is None and elapsed_s < FIRST_S:
                return None
            if kind.made_at is not None and now - kind.made_at < LEAST_S:
                return None
            if kind.step is not None and state.step - kind.step < state.total_steps / MOST:
                return None
        credit_s = CREDIT * (seconds_left or 0.0) if kind.step is None else 0.0
        allowed_s = SHARE * (elapsed_s + credit_s) - self._spent_s
        if is_last:
            allowed_s = max(allowed_s, LAST_S)
        return allowed_s if allowed_s >= kind.takes_s else None

    def _made(self, what: What, kind: _Kind, state: TrainingState, allowed_s: float) -> Picture | None:
        """The picture; None where it takes too long, or fails, which is logged."""
        began = self._clock()
        try:
            picture = self._drawn(what, state, allowed_s)
            kind.step = state.step
            kind.takes_s = self._clock() - began
            return picture
        except TooSlowError as error:
            kind.takes_s = error.takes_s
        except Exception as error:
            log.warning("no picture of the %s can be made: %s: %s", what, type(error).__name__, error)
            kind.failed = True
        finally:
            kind.made_at = self._clock()
            self._spent_s += kind.made_at - began
        return None

    def _drawn(self, what: What, state: TrainingState, allowed_s: float) -> Picture | None:
        data = self._data
        match what:
            case "samples":
                x = self._within(views.samples(data, state), allowed_s)
                if data.spec.shape != (2,):
                    return pictures.sheet(x, data.spec)
                return pictures.cloud(x, views.around(data), views.frame(data))
            case "reconstructions":
                x, back = self._within(views.reconstructions(data, state), allowed_s)
                return pictures.pairs(x, back, data.spec)
            case "density":
                shares = self._within(views.density(data, state), allowed_s)
                return None if shares is None else pictures.heat(shares)

    def _within(self, making: Making[T], allowed_s: float) -> T:
        """The view. Raises TooSlowError once it is plain that it takes longer than it may."""
        began = self._clock()
        while True:
            try:
                share = next(making)
            except StopIteration as end:
                view: T = end.value
                return view
            elapsed_s = self._clock() - began
            expected_s = elapsed_s / share if share > 0 else elapsed_s
            is_slow = elapsed_s > allowed_s or (elapsed_s > allowed_s / 4 and expected_s > allowed_s)
            if is_slow and share < HALF:  # the rest would take no longer than what is done
                making.close()
                raise TooSlowError(expected_s)
