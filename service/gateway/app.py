"""The REST app: routes, problems, limits and measurements put together."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI

from service.application import Application
from service.gateway import openapi, problems
from service.gateway.middleware import BodyLimit, Measured
from service.gateway.routes import asks, router
from service.gateway.shortcut import Shortcut
from service.telemetry import Telemetry

DESCRIPTION = "Train generative models on your own data and serve them."


def create(application: Application, telemetry: Telemetry, closing: asyncio.Event) -> FastAPI:
    """The app; when `closing` is set, open event streams end."""
    app = FastAPI(title="Pushforward", version="1", description=DESCRIPTION, redoc_url=None, redirect_slashes=False)
    app.state.application = application
    app.state.telemetry = telemetry
    app.state.closing = closing
    app.router.routes.extend(router.routes)  # an included router would match every request's route twice
    problems.install(app)
    openapi.install(app)
    app.add_middleware(Shortcut, routes=asks)
    app.add_middleware(BodyLimit, max_bytes=application.settings.max_body_bytes)
    app.add_middleware(Measured, telemetry=telemetry)
    return app
