"""The Celery application of a worker: the task that runs a job, and the steps that start and stop with the worker.

    python -m celery -A pushforward.service.worker.celery_app worker -P threads -c 3 -Q train,sample,evaluate

is what `python -m pushforward.service.worker` runs, with as many threads as there are slots of all kinds. Threads let
one process run jobs, answer requests and own a device; each job is a child process.
"""

from __future__ import annotations

from typing import Any, final

from celery import bootsteps

from pushforward.service.jobs.celery_wakeups import TASK, celery_app, publish
from pushforward.service.jobs.redis_runs import RedisRuns
from pushforward.service.processes.garbage import freeze_gc
from pushforward.service.runner.job_runner import JobRunner
from pushforward.service.runner.reconciler import Reconciler
from pushforward.service.runner.restoring import DurableRuns
from pushforward.service.settings import Settings
from pushforward.service.telemetry.worker_port import MetricsPort
from pushforward.service.trackers.configured import trackers_of
from pushforward.service.worker.inference import InferenceThread
from pushforward.service.worker.slots import Slots

settings = Settings()
app = celery_app(settings)
runs = DurableRuns(RedisRuns(settings), settings.store)
trackers = trackers_of(settings)
job_runner = JobRunner(runs, settings, trackers)
slots = Slots(
    {"train": settings.training_slots, "sample": settings.sampling_slots, "evaluate": settings.evaluation_slots}
)
app.conf.broker_transport_options |= {"queue_order_strategy": slots.cycle}
reconciler = Reconciler(runs, settings, lambda job_id, kind: publish(app, job_id, kind), free=slots.free)


@app.task(name=TASK, bind=True)  # type: ignore[untyped-decorator]
def train(task: Any, job_id: str) -> None:
    """Handle a wake-up: run the waiting jobs of its kind, the first in line first, be it the one that was announced."""
    kind = task.request.delivery_info["routing_key"]
    with slots.running(kind):
        job_runner.run(kind)


@final
class JobsStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Reconciles while the worker lives; drains the jobs before the pool waits for them."""

    requires = frozenset({"celery.worker.components:Pool"})

    def __init__(self, worker: Any, **_: Any) -> None:
        super().__init__(worker)
        trackers.start()

    def start(self, parent: Any) -> None:
        """Called when the worker starts."""
        reconciler.start()

    def stop(self, parent: Any) -> None:
        """Called on SIGTERM."""
        reconciler.stop()
        job_runner.drain()

    terminate = stop


@final
class InferenceStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Answers requests in a thread while the worker lives; at its end, those that it has taken."""

    requires = frozenset({"celery.worker.components:Pool"})

    def __init__(self, worker: Any, **_: Any) -> None:
        super().__init__(worker)
        self._inference = InferenceThread(
            settings, training=job_runner.running, trouble=job_runner.trouble, untaken_s=reconciler.untaken_s
        )
        self._metrics_port = MetricsPort(self._inference.telemetry.metrics, settings)

    def start(self, parent: Any) -> None:
        """Called when the worker starts."""
        freeze_gc()
        self._inference.start()

    def stop(self, parent: Any) -> None:
        """Called on SIGTERM."""
        self._inference.stop()
        self._metrics_port.stop()

    terminate = stop


app.steps["worker"].add(JobsStep)
app.steps["worker"].add(InferenceStep)
