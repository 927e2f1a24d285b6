"""Requests to models, answered in front of FastAPI.

Layers around a route (FastAPI's and ours) take longer than to read the request and to write its response. So for the
routes of models one function does in a row what the layers do around one another: let the request in, read its body,
call the route, send the response, count. The routes, their OpenAPI description and their refusals stay the same, and
everything else goes through the layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import final

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from pushforward.service.domain.errors import ServiceError
from pushforward.service.http import problems
from pushforward.service.http.access import AccessGuard
from pushforward.service.http.bodies import BodyLimits
from pushforward.service.http.whole_responses import WholeResponses
from pushforward.service.processes.intake import Intake
from pushforward.service.rest.middleware import Sent
from pushforward.service.settings import Settings
from pushforward.service.telemetry.gateway import Telemetry


@final
class HotPath:
    """Answers requests to `routes`, which have no dependencies, by path; passes all others to the app."""

    def __init__(
        self, app: FastAPI, routes: Mapping[str, APIRoute], settings: Settings, intake: Intake, telemetry: Telemetry
    ) -> None:
        self._app = app
        self._routes = routes
        self._let_in = AccessGuard(BodyLimits(_call, settings, intake), settings)
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["app"], scope["route"] = self._app, route
        since, sent = perf_counter(), Sent(send)
        try:
            await self._let_in(scope, receive, sent)
        except Exception as error:
            if not sent.begun:
                await problems.failed(Request(scope), error)(scope, receive, sent)
            raise  # the server logs it
        finally:
            seconds = perf_counter() - since
            self._telemetry.request(door="rest", route=route.path, status=str(sent.status), seconds=seconds)


async def _call(scope: Scope, receive: Receive, send: Send) -> None:
    """Call the route, and send its response or refusal."""
    request, endpoint = Request(scope, receive), scope["route"].endpoint
    try:
        response: Response = await endpoint(request)
    except ServiceError as error:
        response = problems.refused(request, error)
    connection = scope.get("connection")
    if (
        isinstance(send, Sent)  # nothing is added to the response on its way
        and isinstance(connection, WholeResponses)
        and not isinstance(response, StreamingResponse)
        and connection.respond(scope, response.status_code, response.raw_headers, bytes(response.body))
    ):
        send.begun, send.status = True, response.status_code
        return
    await response(scope, receive, send)
