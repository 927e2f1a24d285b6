"""The memory that a run needs, counted before its networks are built.

A network on torch's `meta` device has shapes and no numbers, so its parameters cost nothing to count. With P of them
Adam's training holds, in float32,

    weights, gradients, two moments     4 x 4 P bytes
    moving average                      4 P bytes
    a batch of B rows of D numbers      4 B D bytes, at least twice: the data, and what a network makes of them

and the least that a training needs is their sum. Activations come on top, and networks whose masks are computed from
numbers cannot be built without any: such runs meet the limit of their process, `limit_process`, which refuses the
allocation that is too much.

References:
    | Adam: A Method for Stochastic Optimization (Kingma & Ba, 2014), https://arxiv.org/abs/1412.6980
"""

from __future__ import annotations

import re
import resource
from pathlib import Path

import torch

from pushforward.models.data.mapped.scratch import SHARE
from pushforward.models.errors import TooLarge
from pushforward.models.form import form_of
from pushforward.models.run import Run
from pushforward.models.spec.data_spec import DataSpec

COPIES = 5  # of each weight: itself, its gradient, two moments, its average
BATCHES = 2
FLOAT_BYTES = 4
UNKNOWN_BYTES = 2**62  # where free memory is not known

# The messages of the allocators of torch and of C++: they raise RuntimeError, not MemoryError.
_FULL = re.compile("can't allocate memory|not enough memory|bad_alloc|bad allocation|out of memory", re.IGNORECASE)


def check(run: Run, spec: DataSpec, free_bytes: int) -> None:
    """Refuse what cannot fit. Raises TooLarge with the figures, InvalidData as `Family.build` does."""
    try:
        with torch.device("meta"):
            n_parameters = sum(p.numel() for p in form_of(run.family, spec).build(spec).parameters())
    except NotImplementedError:  # masks of autoregressive flows want numbers
        n_parameters = 0
    needed_bytes = FLOAT_BYTES * (COPIES * n_parameters + BATCHES * run.optimizer.batch_size * spec.size)
    if needed_bytes > free_bytes:
        raise TooLarge(
            f"rows of {spec.size:,} numbers make networks of {n_parameters:,} parameters; with Adam and batches of "
            f"{run.optimizer.batch_size} that takes at least {gib(needed_bytes)}, and {gib(free_bytes)} are free; "
            "give smaller rows, or choose a narrower or another family",
            field="run.family",
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, in Python, torch or C++."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and _FULL.search(str(error)) is not None


def too_large(error: BaseException, free_bytes: int) -> TooLarge:
    """The error for an allocation that failed."""
    wanted = re.search(r"allocate (\d+) bytes", str(error))
    asked = f"one array of it takes {gib(int(wanted[1]))}, more than" if wanted else "it takes more memory than"
    return TooLarge(
        f"{asked} the {gib(free_bytes)} that were free; "
        "give smaller or fewer rows, smaller batches or narrower networks"
    )


def limit_process(n_bytes: int) -> None:
    """Limit the memory that this process may still take, so that an allocation fails and not the machine."""
    data = re.search(r"^VmData:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    if data:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        soft = 1024 * int(data[1]) + n_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def available_bytes(device: torch.device, cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Memory that a process may take now: of the device, or of the machine and of the container around us."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    meminfo = Path("/proc/meminfo").read_text()
    available = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo, re.MULTILINE)
    free = [1024 * int(available[1])] if available else []
    try:
        most = (cgroup / "memory.max").read_text().strip()
        used = int((cgroup / "memory.current").read_text()) - _cached_bytes(cgroup)
    except (OSError, ValueError):
        most, used = "max", 0
    within = [] if most == "max" else [max(0, int(most) - used)]
    return min([*free, *within, UNKNOWN_BYTES])


def _cached_bytes(cgroup: Path) -> int:
    """Pages of files that the container counts as used, and gives back where memory is short: those of mapped data."""
    try:
        stat = (cgroup / "memory.stat").read_text()
    except OSError:
        return 0
    return sum(int(n) for n in re.findall(r"^(?:in)?active_file (\d+)$", stat, re.MULTILINE))


def rows_bytes(most_bytes: int | None) -> int:
    """What rows may take of the machine's memory, or of this much of it, before they lie in files that are mapped."""
    return int(SHARE * (most_bytes or available_bytes(torch.device("cpu"))))


def gib(n_bytes: int) -> str:
    """Memory in words: `1.5 GiB`."""
    return f"{n_bytes / 2**30:,.1f} GiB"
