"""The REST app: routes, problem documents, limits, metrics and traces together."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.types import ASGIApp

from pushforward.service.application.application import Application
from pushforward.service.http import problems
from pushforward.service.http.access import AccessGuard
from pushforward.service.http.bodies import BodyLimits
from pushforward.service.http.head import HeadMethod
from pushforward.service.rest.contract import explorer, openapi
from pushforward.service.rest.hot_path import HotPath
from pushforward.service.rest.middleware import Measured, Traced
from pushforward.service.rest.routes import catalog, console, datasets, inference, jobs
from pushforward.service.telemetry.gateway import Telemetry

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

    from pushforward.service.telemetry.spans import GatewayTracing

DESCRIPTION = "Train generative models on your own data and serve them."
NO_SPANS: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}  # FastAPI's own; ours cover both APIs


def create(
    application: Application, telemetry: Telemetry, closing: asyncio.Event, tracing: GatewayTracing | None = None
) -> ASGIApp:
    """The app; when `closing` is set, open event streams end."""
    settings, intake = application.settings, application.intake
    layered = routed(application, telemetry, closing)
    layered.add_middleware(BodyLimits, settings=settings, intake=intake)
    layered.add_middleware(HeadMethod)
    layered.add_middleware(AccessGuard, settings=settings)
    layered.add_middleware(Measured, telemetry=telemetry)
    app = HotPath(layered, inference.by_path, settings, intake, telemetry)
    return app if tracing is None else Traced(app, tracing)


def routed(application: Application, telemetry: Telemetry, closing: asyncio.Event) -> FastAPI:
    """All routes and their description, without what is around them."""
    app = FastAPI(
        title="Pushforward",
        version=version("pushforward"),
        description=DESCRIPTION,
        docs_url=None,  # `explorer` serves it, from this host only
        redoc_url=None,
        redirect_slashes=False,
        telemetry=NO_SPANS,
    )
    app.state.application = application
    app.state.telemetry = telemetry
    app.state.closing = closing
    for routes in (jobs, inference, datasets, catalog):
        app.router.routes.extend(routes.router.routes)  # an included router would match every request's route twice
    app.router.routes.extend(console.routes())
    problems.install(app)
    openapi.install(app)
    explorer.install(app)
    return app
