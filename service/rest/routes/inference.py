"""Routes of requests to models, one for each capability."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from pushforward.service.application.commands.commands import ASKS, Sample
from pushforward.service.domain.jobs import Job
from pushforward.service.http.bodies import CLIENT_CLOSED_REQUEST
from pushforward.service.http.headers import headers_of
from pushforward.service.rest import sse
from pushforward.service.rest.contract import schemas
from pushforward.service.rest.contract.openapi import answers, documented
from pushforward.service.rest.delivery import respond
from pushforward.service.rest.disconnects import unless_disconnected
from pushforward.service.rest.media_types import SAMPLE_OFFERS, choose
from pushforward.service.rest.request_bodies import read
from pushforward.service.rest.responses import render
from pushforward.service.rest.routes.parameters import application_of
from pushforward.service.rest.strict import StrictRoute

router = APIRouter(route_class=StrictRoute)

_BODIES: dict[str, type[BaseModel]] = {
    "sample": schemas.SamplesBody,
    "likelihood": schemas.LikelihoodsBody,
    "score": schemas.ScoresBody,
    "encode": schemas.CodesBody,
    "decode": schemas.PointsBody,
    "reconstruct": schemas.PointsBody,
    "interpolate": schemas.PointsBody,
    "complete": schemas.PointsBody,
    "translate": schemas.TranslationBody,
}

_SUMMARIES: dict[str, str] = {
    "sample": "Draw new rows",
    "likelihood": "Score rows: log p(x)",
    "score": "Find anomalies: log p(x) of rows among that of held-out rows",
    "encode": "Encode rows to latent codes",
    "decode": "Decode latent codes to rows",
    "reconstruct": "Encode rows and decode their codes, or translate them there and back",
    "interpolate": "Interpolate between two rows or two samples",
    "complete": "Make whole rows of patches of them",
    "translate": "Translate rows to another domain",
}


def _route_of(command: type[Any]) -> Callable[[Request], Awaitable[Response]]:
    async def ask(request: Request) -> Response:  # no `App`: to resolve a dependency costs as much as to parse the body
        app = await application_of(request)
        media_type = choose(headers_of(request.scope).accept)
        asked = app.inference.ask(await read(request, command, app.intake))
        result = await unless_disconnected(request, asked)
        return _disconnected() if result is None else await render(result, media_type)

    ask.__doc__ = command.__doc__
    return ask


async def _sample(request: Request) -> Response:
    app = await application_of(request)
    headers = headers_of(request.scope)
    media_type = choose(headers.accept, SAMPLE_OFFERS)
    response = respond(headers, app, await read(request, Sample, app.intake), media_type)
    return await unless_disconnected(request, response) or _disconnected()


def _disconnected() -> Response:
    """The response to a client that has disconnected: it counts in the metrics only."""
    return Response(status_code=CLIENT_CLOSED_REQUEST)


_sample.__doc__ = Sample.__doc__
for _op, _command in ASKS.items():
    router.add_api_route(
        f"/{_op}",
        _sample if _command is Sample else _route_of(_command),
        methods=["POST"],
        name=_op,
        operation_id=_op,
        **documented(
            _SUMMARIES[_op],
            answers(_BODIES[_op], media=sse.MEDIA_TYPE if _command is Sample else None, arrays=True)
            | (answers(Job, 202) if _command is Sample else {}),
            tag="asks",
            command=_command,
        ),
    )


by_path = {route.path: route for route in router.routes if isinstance(route, APIRoute) and route.name in ASKS}
