"""Exports the metrics of a worker: by an HTTP port, and by the folder that it shares with the gateways."""

from __future__ import annotations

from typing import final

from prometheus_client import start_http_server

from pushforward.service.processes.supervision import StartError
from pushforward.service.settings import Settings
from pushforward.service.telemetry.registry import Metrics
from pushforward.service.telemetry.sharing import MetricsSharing


@final
class MetricsPort:
    """Exports metrics until `stop`. Raises StartError where the port is taken."""

    def __init__(self, metrics: Metrics, settings: Settings) -> None:
        self._sharing = MetricsSharing(metrics) if settings.metrics_folder is not None else None
        self._http = None
        if settings.metrics_port:
            host, port = settings.metrics_host, settings.metrics_port
            try:
                self._http = start_http_server(port, host, metrics.registry())
            except OSError as error:
                raise StartError(
                    f"{host}:{port}: {error.strerror}; choose another PUSHFORWARD_METRICS_PORT, or 0 for none"
                ) from None
        if self._sharing is not None:
            self._sharing.start()

    def stop(self) -> None:
        """Write the metrics a last time, and close the port."""
        if self._sharing is not None:
            self._sharing.stop()
        if self._http is not None:
            server, thread = self._http
            server.shutdown()
            server.server_close()
            thread.join()
