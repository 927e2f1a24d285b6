"""Child processes that end with their parent."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

# No `preexec_fn`: it forks while other threads hold locks, and gRPC then sometimes aborts the child.
_TIED = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""


def tied_to_parent(command: Sequence[str]) -> list[str]:
    """The command of a child that must not outlive its parent; the child replaces itself by `command`.

    On Linux the child gets SIGTERM when the thread that started it ends, however it ends. Other systems have no such
    call: there the children of a killed parent live on.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command]
