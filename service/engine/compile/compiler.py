"""Networks that are compiled while they serve.

A network is eager from its first call. Once one of its methods has computed for as long as a compilation takes, it is
compiled: total work is then at most twice that of knowing the demand in advance, and a network that is rarely called
costs nothing. A child process of low priority compiles, so that it takes neither the core nor the interpreter lock of
the inference thread. Its package replaces the eager method by one assignment between two calls, if it gives the same
numbers and is faster on this machine; if not, or if anything fails (no C++ compiler, a network that cannot be
exported), the log says so once and the network stays eager.

Rows are a symbol of the compiled graph, so one package serves every batch and no row is padded. Where gradients are
needed, as in the likelihood of a diffusion, calls stay eager.

A compiled network is code. A worker makes it for itself, in a folder only its user can enter, and deletes it when it
stops: nothing compiled is ever read from the store, which holds tensors and JSON only.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal, final

import torch

from pushforward.models.networks import Bijection, Scalar
from pushforward.models.spec.data_spec import Shape
from pushforward.models.storage.model import Model
from pushforward.service.engine.compile.child_process import CompileChild
from pushforward.service.engine.compile.packages import TOLERANCE, CompileOrder, Package, difference
from pushforward.service.engine.compile.scratch import Scratch, is_executable
from pushforward.service.engine.compile.served import ServedBijection, ServedCall, ServedNet
from pushforward.service.processes.background import Thread

log = logging.getLogger(__name__)

NICE = 10  # of the child; without effect on idle cores
PAYS_AFTER_S = 30.0  # of eager computing: about as long as one compilation
LEAST_GAIN = 1.1  # below it a network stays eager
MAX_PACKAGES = 64  # made by one worker


@final
class Compiler:
    """Compiles the networks of one worker, one at a time, in a thread that waits for a child process."""

    def __init__(
        self, device: torch.device, torch_threads: int, *, pays_after_s: float = PAYS_AFTER_S, nice: int = NICE
    ) -> None:
        self._pays_after_s = pays_after_s
        self._device = device
        self._torch_threads = torch_threads
        self._scratch = Scratch()
        self._folder = self._scratch.path
        self._child = CompileChild(self._folder, nice)
        self._is_usable = is_executable(self._folder)
        if not self._is_usable:
            log.warning("networks stay eager: no code may run from %s; set TMPDIR to a folder on a disk mounted exec",
                        self._folder.parent)  # fmt: skip
        self._files: dict[str, Path | None] = {}  # by order, as JSON; None: stays eager
        self._orders: queue.Queue[tuple[CompileOrder, ServedCall] | None] = queue.Queue()
        self._closing = threading.Event()
        self._thread = _Compiling(self._work)
        self._thread.start()

    def serve(self, model: Model) -> Model:
        """The same model, with networks that are compiled once that pays."""
        if not self._is_usable:
            return model
        for name, net in model.nets.items():
            if isinstance(net, Bijection):
                model.nets[name] = ServedBijection(
                    net, self._call(model, name, "forward"), self._call(model, name, "inverse")
                )
            elif not isinstance(net, Scalar) and any(True for _ in net.parameters()):  # others only keep numbers
                model.nets[name] = ServedNet(net, self._call(model, name, "forward"))
        return model

    @property
    def compilations(self) -> int:
        """How many compilations were tried."""
        return len(self._files)

    @property
    def child_pid(self) -> int | None:
        """Of the child that compiles now."""
        return self._child.pid

    def wait(self) -> None:
        """Wait until all compilations ordered so far are done."""
        self._orders.join()

    def close(self) -> None:
        """Compile no more; the child that compiles now is killed."""
        self._closing.set()
        self._thread.stopping.set()
        self._orders.put(None)
        self._child.close()
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
        """The package with the model's own weights, checked once with them."""
        package = Package(file, call.net, order.inputs, self._device)
        rng = torch.Generator().manual_seed(0)
        x = [torch.randn(2, *shape, generator=rng).to(self._device) for shape in order.inputs]
        with torch.no_grad():
            found = difference(package(*x), call.eager(*x))
        if not found <= TOLERANCE:
            raise RuntimeError(f"its answers differ by {found:.0e}")
        return package

    def _compiled(self, order: CompileOrder, what: str) -> Path | None:
        """A package that is right and fast; else None, and a line in the log."""
        if len(self._files) >= MAX_PACKAGES:
            log.info("%s stays eager: this worker has compiled %d others", what, MAX_PACKAGES)
            return None
        file = self._folder / f"{len(self._files)}.pt2"
        try:
            result = self._child.compile(order, file)
        except Exception as error:
            if not self._closing.is_set():
                log.warning("%s stays eager: %s", what, error)
            return None
        log.info("compiled %s: %.1f times as fast, different by %.0e", what, result.gain, result.difference)
        return file if result.gain >= LEAST_GAIN and result.difference <= TOLERANCE else None


@final
class _Compiling(Thread):
    """The compiler's thread."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__("compiler")
        self._work = work

    def work(self) -> None:
        """Until the compiler closes."""
        self._work()
