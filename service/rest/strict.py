"""Routes that refuse unknown query parameters, so that a misspelled one is not ignored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from pushforward.service.application.commands.spelling import nearest
from pushforward.service.application.commands.validation import MAX_FAULTS, MAX_FIELD_CHARS
from pushforward.service.domain.errors import FieldError, Invalid


@final
class StrictRoute(APIRoute):
    """A route whose query parameters are those that its endpoint takes."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known = frozenset(parameter.alias for parameter in self.dependant.query_params)
        takes = f"it takes {', '.join(sorted(known))}" if known else "it takes none"

        async def checked(request: Request) -> Response:
            if request.scope["query_string"]:
                _check(request, known, takes)
            return await handle(request)

        return checked


def _check(request: Request, known: frozenset[str], takes: str) -> None:
    """Raises Invalid."""
    counts = Counter(name for name, _ in request.query_params.multi_items())
    faults = [
        FieldError(
            name[:MAX_FIELD_CHARS],
            "is given twice" if name in known else f"is no parameter here; {nearest(name, sorted(known)) or takes}",
        )
        for name, count in counts.items()
        if name not in known or count > 1
    ]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise Invalid(f"{faults[0].field}: {faults[0].message}{more}", errors=tuple(faults[:MAX_FAULTS]))
