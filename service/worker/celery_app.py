"""The Celery application of a worker: the task that runs a job, and what starts and stops with the worker.

    python -m celery -A pushforward.service.worker.celery_app worker -P threads -c 2 -Q train,sample --without-gossip

is what `python -m pushforward.service.worker` runs, with as many threads as there are slots of both kinds. Threads,
because only they let one process train, answer and own a device; a training is a child process of its own.
"""

from __future__ import annotations

from typing import Any, final

from celery import bootsteps

from pushforward.service.jobs.celery_wakeups import TASK, celery_app, publish
from pushforward.service.jobs.redis_runs import RedisRuns
from pushforward.service.processes.spawn import settle
from pushforward.service.runner.job_runner import JobRunner
from pushforward.service.runner.reconciler import Reconciler
from pushforward.service.runner.restoring import DurableRuns
from pushforward.service.settings import Settings
from pushforward.service.telemetry.worker_port import Exposed
from pushforward.service.worker.inference import Inference
from pushforward.service.worker.slots import Slots

settings = Settings()
app = celery_app(settings)
runs = DurableRuns(RedisRuns(settings), settings.store)
job_runner = JobRunner(runs, settings)
slots = Slots({"train": settings.training_slots, "sample": settings.sampling_slots})
app.conf.broker_transport_options |= {"queue_order_strategy": slots.cycle}
reconciler = Reconciler(runs, settings, lambda job_id, kind: publish(app, job_id, kind), free=slots.free)


@app.task(name=TASK, bind=True)  # type: ignore[untyped-decorator]
def train(task: Any, job_id: str) -> None:
    """A wake-up: run the job if it still waits."""
    with slots.running(task.request.delivery_info["routing_key"]):
        job_runner.run(job_id)


@final
class TrainingStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Reconciles while the worker lives; drains its job_runner before the pool waits for them."""

    requires = frozenset({"celery.worker.components:Pool"})

    def start(self, parent: Any) -> None:
        """With the worker."""
        reconciler.start()

    def stop(self, parent: Any) -> None:
        """With the worker's SIGTERM."""
        reconciler.stop()
        job_runner.drain()

    terminate = stop


@final
class InferenceStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Answers questions in a thread of its own while the worker lives; at its end, what was taken."""

    requires = frozenset({"celery.worker.components:Pool"})

    def __init__(self, worker: Any, **_: Any) -> None:
        super().__init__(worker)
        self._inference = Inference(
            settings, training=job_runner.running, trouble=job_runner.trouble, untaken_s=reconciler.untaken_s
        )
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
