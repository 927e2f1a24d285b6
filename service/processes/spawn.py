"""How we start processes of our own, and what each does once it has begun."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

# Not a `preexec_fn`, for that forks with all our threads' locks held: gRPC then aborts the child, once in a while.
_TIED = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""


def tied_to_us(command: Sequence[str]) -> list[str]:
    """The command of a child that must not outlive us, which replaces itself by `command`.

    On Linux it gets SIGTERM when the thread that started it ends, however it ends. Elsewhere there is no such thing,
    and a killed parent leaves its children.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command]


def settle() -> None:
    """Once all is imported: never look through it for garbage again, and look less often.

    A gateway has some 200,000 objects that live as long as itself. To walk them again and again took a fifth of its
    time, in pauses of tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
