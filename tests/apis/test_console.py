"""The console as the gateway serves it."""

import pytest

from tests.apis.conftest import Apis


async def test_the_page_loads_nothing_from_elsewhere_and_nobody_frames_it(apis: Apis):
    page = await apis.rest.get("/console/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"} <= set(policy)
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"


async def test_the_address_without_its_slash_leads_there(apis: Apis):
    moved = await apis.rest.get("/console")
    assert (moved.status_code, moved.headers["location"]) == (308, "/console/")


@pytest.mark.parametrize("path", ["no.mjs", "%2e%2e/files.py", "..%2f..%2fapp.css"])
async def test_what_is_not_there_is_not_found(apis: Apis, path: str):
    missing = await apis.rest.get(f"/console/{path}")
    assert missing.status_code == 404
    assert missing.json()["type"] == "/problems/not-found"
