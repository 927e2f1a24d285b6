"""Where a worker tells what it measures: an HTTP port of its own, and the folder that it shares with the gateways."""

from __future__ import annotations

from typing import final

from prometheus_client import start_http_server

from pushforward.service.processes.supervision import CannotStart
from pushforward.service.settings import Settings
from pushforward.service.telemetry.registry import Metrics
from pushforward.service.telemetry.sharing import Sharing


@final
class Exposed:
    """Tells from the first moment to `stop`. Raises CannotStart where the port is taken."""

    def __init__(self, metrics: Metrics, settings: Settings) -> None:
        self._sharing = Sharing(metrics) if settings.metrics_folder is not None else None
        self._http = None
        if settings.metrics_port:
            host, port = settings.metrics_host, settings.metrics_port
            try:
                self._http = start_http_server(port, host, metrics.registry())
            except OSError as error:
                raise CannotStart(
                    f"{host}:{port}: {error.strerror}; choose another PUSHFORWARD_METRICS_PORT, or 0 for none"
                ) from None
        if self._sharing is not None:
            self._sharing.start()

    def stop(self) -> None:
        """The last word, and the port is free."""
        if self._sharing is not None:
            self._sharing.stop()
        if self._http is not None:
            server, thread = self._http
            server.shutdown()
            server.server_close()
            thread.join()
