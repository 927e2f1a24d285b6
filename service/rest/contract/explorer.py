"""`/docs`: the API in a browser, by Swagger UI. Its files come from a package, and none from another host."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

PAGE, ASSETS = "/docs", "/docs/assets"
# The page has an inline script; everything else comes from this host.
POLICY = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"


def install(app: FastAPI) -> None:
    """Add the page and its files to the app."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=f"{app.title}: the API",
        swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS}/favicon.png",
    )
    page.headers["Content-Security-Policy"] = POLICY

    async def explorer(_: Request) -> Response:
        return page

    app.add_route(PAGE, explorer, include_in_schema=False)
    app.mount(ASSETS, StaticFiles(packages=[("fastapi_offline", "static")]))
