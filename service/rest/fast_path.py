"""Asks go straight to their routes.

A request comes to a route of FastAPI by way of a list of patterns, two stacks of contexts and a solver of dependencies,
none of which an ask has any use of: together they cost more than reading the ask and writing its answer. So the paths
of asks are looked up before all that. What a route does, what OpenAPI says of it and how it refuses stays the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from pushforward.service.domain.errors import ServiceError
from pushforward.service.http import problems

Endpoint = Callable[[Request], Awaitable[Response]]


@final
class FastPath:
    """From a path to its route; `routes` have no dependencies."""

    def __init__(self, app: ASGIApp, routes: Mapping[str, APIRoute]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        request = Request(scope, receive)
        endpoint: Endpoint = route.endpoint
        try:
            response = await endpoint(request)
        except ServiceError as error:
            response = problems.refused(request, error)
        await response(scope, receive, send)
