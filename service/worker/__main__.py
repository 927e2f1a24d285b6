"""`python -m pushforward.service.worker`: the Celery worker of this machine's device."""

import gc

if __name__ == "__main__":
    gc.disable()  # until all is imported, and `celery_app` freezes it: a quarter of the start

import logging
import sys
import warnings
from typing import Any

from celery.bin.celery import celery
from celery.exceptions import SecurityWarning
from celery.signals import setup_logging

from pushforward.service.domain.jobs import KINDS
from pushforward.service.processes.supervision import StartError
from pushforward.service.telemetry import logs
from pushforward.service.telemetry.tracing import TracingConfigError
from pushforward.service.worker.celery_app import slots, trackers

TRACKERS_S = 5.0  # for what is not written yet when the worker ends


@setup_logging.connect  # type: ignore[untyped-decorator]
def set_up_logging(**_: Any) -> None:
    """Use our log format instead of Celery's; Celery's own lines below a warning are routine."""
    logs.setup("worker", logging.INFO)
    logging.getLogger("celery").setLevel(logging.WARNING)


if __name__ == "__main__":
    # Celery warns a worker that runs as root because of pickle, which this worker does not accept.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    try:
        code = celery.main(
            [
                *("--app", "pushforward.service.worker.celery_app", "--quiet"),
                "worker",
                *("--pool", "threads", "--concurrency", str(slots.total), "--queues", ",".join(KINDS)),
                *("--loglevel", "INFO", "--without-gossip", "--without-mingle"),
            ],
            standalone_mode=False,  # returns the exit code, which `app.worker_main` drops
        )
    except (StartError, TracingConfigError) as error:
        sys.exit(f"the worker cannot start: {error}")
    trackers.close(TRACKERS_S)
    sys.exit(code)  # not 0 where Celery ended on an error, so that our parent starts us again
