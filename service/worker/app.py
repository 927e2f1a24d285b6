"""The Celery application of a worker: the task that trains, and what starts and stops with the worker.

    python -m celery -A service.worker.app worker -P threads -c SLOTS -Q train --without-gossip --without-mingle

which is what `python -m service.worker` runs. Threads, because only they let one process train, answer and own a
device; a training is a child process of its own.
"""

from __future__ import annotations

from typing import Any, final

from celery import bootsteps

from service.adapters.celery_wakeups import TASK, celery_app, publish
from service.adapters.redis_jobs import RedisRuns
from service.processes import settle
from service.settings import Settings
from service.worker.exposed import Exposed
from service.worker.inference import Inference
from service.worker.restoring import LastingRuns
from service.worker.trainings import Reconciler, Trainings

settings = Settings()
app = celery_app(settings)
runs = LastingRuns(RedisRuns(settings), settings.store)
trainings = Trainings(runs, settings)
reconciler = Reconciler(runs, settings, lambda job_id: publish(app, job_id), free=trainings.free)


@app.task(name=TASK)  # type: ignore[untyped-decorator]
def train(job_id: str) -> None:
    """A wake-up: train the job if it still waits."""
    trainings.run(job_id)


@final
class TrainingStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Reconciles while the worker lives; drains its trainings before the pool waits for them."""

    requires = frozenset({"celery.worker.components:Pool"})

    def start(self, parent: Any) -> None:
        """With the worker."""
        reconciler.start()

    def stop(self, parent: Any) -> None:
        """With the worker's SIGTERM."""
        reconciler.stop()
        trainings.drain()

    terminate = stop


@final
class InferenceStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Answers questions in a thread of its own while the worker lives; at its end, what was taken."""

    requires = frozenset({"celery.worker.components:Pool"})

    def __init__(self, worker: Any, **_: Any) -> None:
        super().__init__(worker)
        self._inference = Inference(settings, training=trainings.running, untaken_s=reconciler.untaken_s)
        self._exposed = Exposed(self._inference.telemetry.metrics, settings)

    def start(self, parent: Any) -> None:
        """With the worker."""
        settle()
        self._inference.start()

    def stop(self, parent: Any) -> None:
        """With the worker's SIGTERM."""
        self._inference.stop()
        self._exposed.stop()

    terminate = stop


app.steps["worker"].add(TrainingStep)
app.steps["worker"].add(InferenceStep)
