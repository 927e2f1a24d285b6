"""Celery only wakes workers: its messages may be lost or come twice, because the record of jobs is the truth.

Celery over Redis loses a message when a worker dies between `BRPOP` and its note of the message, and delivers it again
after a reconnect (https://github.com/celery/kombu/issues/305, https://github.com/celery/celery/issues/5935). So
messages are acknowledged early, nothing is stored as a result, and nothing is revoked.
"""

from __future__ import annotations

import asyncio
import logging
from functools import cached_property
from typing import TYPE_CHECKING, final

from pushforward.service.domain.jobs import Kind
from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import COMMAND_S, CONNECT_S, PREFIX, broker_url

if TYPE_CHECKING:
    from celery import Celery

log = logging.getLogger(__name__)

TASK = "pushforward.train"
SILENCE_S = 3  # whole seconds; a consumer drops its connection after one to two of them without an answer
PATIENCE = {"socket_timeout": 3.0, "connect_retries_timeout": 1.0, "interval_start": 0.1}  # of a gateway that publishes


@final
class CeleryWakeups:
    """`ports.Wakeups`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _app(self) -> Celery:
        app = celery_app(self._settings)  # imports Celery with the first job, not at start
        app.conf.broker_transport_options |= PATIENCE
        return app

    async def wake(self, job_id: str, kind: Kind = "train") -> None:
        await asyncio.to_thread(lambda: publish(self._app, job_id, kind))


def publish(app: Celery, job_id: str, kind: Kind) -> None:
    """Put a wake-up on the queue of its kind. A failure is only logged: the reconciler sends another."""
    from kombu.exceptions import KombuError, OperationalError

    try:
        app.send_task(TASK, args=(job_id,), queue=kind, retry=False, ignore_result=True)
    except (KombuError, OperationalError, OSError) as error:
        log.warning("no worker could be notified of job %s (%s); the reconciler will tell again", job_id, error)


def celery_app(settings: Settings) -> Celery:
    """The one Celery configuration, of gateways and workers."""
    from celery import Celery
    from kombu.transport import TRANSPORT_ALIASES

    # Kombu chooses a transport by the scheme of the URL, whatever else is configured.
    TRANSPORT_ALIASES.update(
        dict.fromkeys(("redis", "rediss"), "pushforward.service.jobs.celery_transport:TolerantTransport")
    )
    app = Celery("pushforward", broker=broker_url(settings), set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        result_accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=False,
        task_track_started=False,
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,  # a wake-up that is taken without a free slot would wait behind a long training
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_limit=4,
        broker_pool_acquire_timeout=3.0,
        broker_transport_options={
            "visibility_timeout": 120,  # safe because messages are acknowledged early and never delayed
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            "socket_timeout": COMMAND_S,
            "socket_connect_timeout": CONNECT_S,
            "socket_keepalive": True,
            "health_check_interval": SILENCE_S,
            "retry_on_timeout": False,
            "global_keyprefix": PREFIX,
            "priority_steps": [0],
        },
    )
    return app
