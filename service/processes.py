"""How we start processes of our own."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


# `preexec_fn` of a child that must not outlive us: on Linux it gets SIGTERM when the thread that started it ends,
# however it ends. Elsewhere there is no such thing, and a killed parent leaves its children.
DIE_WITH_PARENT: Callable[[], None] | None = _die_with_parent if sys.platform == "linux" else None
