"""`/console/`: the pages in a browser. They load nothing from elsewhere, and no page of elsewhere may frame them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pushforward.service.console.files import read
from pushforward.service.domain.errors import NotFound

ADDRESS = "/console/"
# `blob:` are pictures of answers: an `<img>` can send no key, so the page fetches them.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-cache",  # kept, and asked for by its digest each time
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}


async def console(request: Request) -> Response:
    """A file of the console, or its page. Raises NotFound."""
    path: str = request.path_params["path"]
    file = await asyncio.to_thread(read, path)
    if file is None:
        raise NotFound(f"the console has no file {path[:100]!r}; its page is {ADDRESS}")
    headers = {**HEADERS, "ETag": file.etag}
    if request.headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(file.gzipped, headers=headers, media_type=file.media_type)
    return Response(file.content, headers=headers, media_type=file.media_type)


async def to_console(_: Request) -> Response:
    """From the address without its slash."""
    return RedirectResponse(ADDRESS, status_code=308)


def routes() -> Sequence[Route]:
    """They are not in the description of the API."""
    return (
        Route(ADDRESS.rstrip("/"), to_console, include_in_schema=False),
        Route(ADDRESS + "{path:path}", console, include_in_schema=False),
    )
