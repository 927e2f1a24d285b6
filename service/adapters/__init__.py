"""The outside world: Redis, Celery and the disk behind the application's ports, and in-memory stand-ins for them."""
