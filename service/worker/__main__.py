"""`python -m service.worker`: the Celery worker of this machine's device."""

from service.worker.app import app, settings

if __name__ == "__main__":
    app.worker_main(
        [
            "worker",
            *("--pool", "threads", "--concurrency", str(settings.training_slots), "--queues", "train"),
            *("--loglevel", "INFO", "--without-gossip", "--without-mingle"),
        ]
    )
