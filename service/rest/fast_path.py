"""A fast path for requests to models.

FastAPI matches a list of patterns, enters two stacks of contexts and solves dependencies before it calls a route. A
request to a model needs none of it, and all that takes longer than to read the request and to write its response. So
its route is looked up by its path. The route itself, its OpenAPI description and its refusals stay the same.
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
    """Calls the route of a path; `routes` have no dependencies."""

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
