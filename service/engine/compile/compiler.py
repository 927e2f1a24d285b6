"""Networks that are compiled while they serve.

A network serves eagerly from its first call. Once one of its methods has computed for as long as a compilation takes,
it is compiled: whoever waits that long has at most doubled the work of knowing in advance what would be asked, and a
network that is hardly asked costs nothing. Compiling is the work of a child process of low priority, so that
neither the core nor the interpreter lock of the inference thread is taken. Its package replaces the eager method by
one assignment between two calls, if it gives the same numbers and is faster on this machine; if not, or if anything
fails (no C++ compiler, a network that cannot be exported), the log says so once and the network stays eager.

Rows are a symbol of the compiled graph, so one package serves every batch and no row is padded. Where gradients are
needed, as in the likelihood of a diffusion, calls stay eager.

A compiled network is code. It is made by this worker for itself, in a folder only its user can enter, and is gone with
it: nothing compiled is ever read from the store, which holds tensors and JSON only.
"""

from __future__ import annotations

import logging
import os
import queue
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import IO, Literal, cast, final

import torch

from pushforward.models.networks import Bijection, Scalar
from pushforward.models.spec.data_spec import Shape
from pushforward.models.storage.model import Model
from pushforward.service.engine.compile.packages import TOLERANCE, CompileOrder, Package, PackageComparison, difference
from pushforward.service.engine.compile.scratch import Scratch, is_executable
from pushforward.service.engine.compile.served import ServedBijection, ServedCall, ServedNet
from pushforward.service.processes.background import Thread

log = logging.getLogger(__name__)

NICE = 10  # of the child; on idle cores it makes no difference
PAYS_AFTER_S = 30.0  # of eager computing: about what one compilation takes
WORTH = 1.1  # a gain below is none
MAX_PACKAGES = 64  # made by one worker
PATIENCE_S = 1800.0  # for one compilation
LAST_WORDS_BYTES = 500


@final
class Compiler:
    """Compiles for one worker, an order at a time, in a thread that only waits for its child."""

    def __init__(
        self, device: torch.device, torch_threads: int, *, pays_after_s: float = PAYS_AFTER_S, nice: int = NICE
    ) -> None:
        self._pays_after_s = pays_after_s
        self._nice = nice
        self._device = device
        self._torch_threads = torch_threads
        self._scratch = Scratch()
        self._folder = self._scratch.path
        self._is_usable = is_executable(self._folder)
        if not self._is_usable:
            log.warning("networks stay eager: no code may run from %s; set TMPDIR to a folder on a disk mounted exec",
                        self._folder.parent)  # fmt: skip
        self._files: dict[str, Path | None] = {}  # by order, as JSON; None: stays eager
        self._orders: queue.Queue[tuple[CompileOrder, ServedCall] | None] = queue.Queue()
        self._child: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()
        self._thread = _Compiling(self._work)
        self._thread.start()

    def serve(self, model: Model) -> Model:
        """The model, its networks from now on compiled where it pays."""
        if not self._is_usable:
            return model
        for name, net in model.nets.items():
            if isinstance(net, Bijection):
                model.nets[name] = ServedBijection(
                    net, self._call(model, name, "forward"), self._call(model, name, "inverse")
                )
            elif not isinstance(net, Scalar):
                model.nets[name] = ServedNet(net, self._call(model, name, "forward"))
        return model

    @property
    def compilations(self) -> int:
        """How many were tried."""
        return len(self._files)

    @property
    def child_pid(self) -> int | None:
        """Of the compilation under way."""
        return None if self._child is None else self._child.pid

    def wait(self) -> None:
        """Until what was ordered so far is done."""
        self._orders.join()

    def close(self) -> None:
        """Compile no more; ends a compilation that is under way."""
        self._closing.set()
        self._thread.stopping.set()
        self._orders.put(None)
        if (child := self._child) is not None:
            _kill(child)
        self._thread.join()
        self._scratch.close()

    def _call(self, model: Model, name: str, method: Literal["forward", "inverse"]) -> ServedCall:
        net = model.nets[name]

        def order(call: ServedCall, inputs: tuple[Shape, ...]) -> None:
            wanted = CompileOrder(
                family=model.family,
                spec=model.nets.spec,
                net=name,
                method=method,
                inputs=inputs,
                device=str(self._device),
                torch_threads=self._torch_threads,
            )
            self._orders.put((wanted, call))

        return ServedCall(net, getattr(net, method), order, self._pays_after_s)

    def _work(self) -> None:
        while (ordered := self._orders.get()) is not None and not self._closing.is_set():
            try:
                self._fill(*ordered)
            finally:
                self._orders.task_done()

    def _fill(self, order: CompileOrder, call: ServedCall) -> None:
        what = f"{order.net}.{order.method} of a {order.family.family}"
        key = order.model_dump_json()
        if key not in self._files:
            self._files[key] = self._compiled(order, what)
        if (file := self._files[key]) is not None:
            try:
                call.adopt(self._package(file, order, call))
            except Exception:
                log.warning("%s stays eager: its package does not fit the model", what, exc_info=True)

    def _package(self, file: Path, order: CompileOrder, call: ServedCall) -> Package:
        """The package with the model's own weights, tried once with them."""
        package = Package(file, call.net, order.inputs, self._device)
        rng = torch.Generator().manual_seed(0)
        x = [torch.randn(2, *shape, generator=rng).to(self._device) for shape in order.inputs]
        with torch.no_grad():
            found = difference(package(*x), call.eager(*x))
        if not found <= TOLERANCE:
            raise RuntimeError(f"its answers differ by {found:.0e}")
        return package

    def _compiled(self, order: CompileOrder, what: str) -> Path | None:
        """A package that is right and fast; None, and a line in the log, where there is none to be had."""
        if len(self._files) >= MAX_PACKAGES:
            log.info("%s stays eager: this worker has compiled %d others", what, MAX_PACKAGES)
            return None
        file = self._folder / f"{len(self._files)}.pt2"
        try:
            verdict = self._child_compiles(order, file)
        except Exception as error:
            if not self._closing.is_set():
                log.warning("%s stays eager: %s", what, error)
            return None
        log.info("compiled %s: %.1f times as fast, different by %.0e", what, verdict.gain, verdict.difference)
        return file if verdict.gain >= WORTH and verdict.difference <= TOLERANCE else None

    def _child_compiles(self, order: CompileOrder, file: Path) -> PackageComparison:
        environment = {
            **os.environ,
            "TMPDIR": str(self._folder),
            "TORCHINDUCTOR_CACHE_DIR": str(self._folder / "cache"),
            "TORCHINDUCTOR_COMPILE_THREADS": "1",  # in the child itself, not in a pool that would outlive it
        }
        with tempfile.TemporaryFile(dir=self._folder) as complaints:
            child = self._child = subprocess.Popen(
                [sys.executable, "-m", "pushforward.service.engine.compile.child", str(file), str(self._nice)],
                stdin=subprocess.PIPE,  # stays open: its end tells the child that we are gone
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=environment,
                start_new_session=True,
            )
            with child:
                said = self._said(child, order)
            self._child = None
            if child.returncode != 0:
                complaints.seek(0)
                words = complaints.read().decode(errors="replace").strip()[-LAST_WORDS_BYTES:]
                raise RuntimeError(f"its compilation ended with {child.returncode}: {words}")
        return PackageComparison.model_validate_json(said.splitlines()[-1])

    def _said(self, child: subprocess.Popen[bytes], order: CompileOrder) -> bytes:
        """What a child says to its order; it is killed where it takes too long, or where the compiler closes."""
        stdin, stdout = cast(IO[bytes], child.stdin), cast(IO[bytes], child.stdout)
        try:
            if self._closing.is_set():
                raise TimeoutError("the worker stops")
            with suppress(BrokenPipeError):
                stdin.write(order.model_dump_json().encode() + b"\n")
                stdin.flush()
            said = _read(stdout, monotonic() + PATIENCE_S)
            child.wait()
        finally:
            _kill(child)
        return said


def _read(stdout: IO[bytes], give_up: float) -> bytes:
    """All that it says until it ends. Raises TimeoutError."""
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, give_up - monotonic())):
            piece = os.read(stdout.fileno(), 65536)
            if not piece:
                return said
            said += piece
    raise TimeoutError(f"it took longer than {PATIENCE_S:g} s")


@final
class _Compiling(Thread):
    """The thread of a compiler."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__("compiler")
        self._work = work

    def work(self) -> None:
        """Until the compiler closes."""
        self._work()


def _kill(child: subprocess.Popen[bytes]) -> None:
    """With the C++ compiler that it may have started."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
