"""Whose requests are answered: hosts that are ours, and pages of other sites."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pushforward.service.http.hosts import Hosts, is_local
from pushforward.service.settings import Settings
from tests.apis.conftest import Apis

MINE = "https://mine.example"


@pytest.mark.parametrize("path", ["/livez", "/jobs", "/metrics", "/docs", "/openapi.json", "/nothing"])
@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::1", "a b", "@"]
)
async def test_a_host_that_is_not_ours_is_refused(apis: Apis, path: str, host: str) -> None:
    refused = await apis.rest.get(path, headers={"Host": host})
    assert (refused.status_code, refused.json()["type"]) == (421, "/problems/misdirected")


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "LOCALHOST:1", "127.0.0.1:9", "127.9.9.9", "[::1]:8000"]
)
async def test_loopback_is_ours(apis: Apis, host: str) -> None:
    assert (await apis.rest.get("/livez", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    ("bound", "allowed", "host", "is_ours"),
    [
        ("127.0.0.1", "", "10.0.0.7", False),
        ("10.0.0.7", "", "10.0.0.7:8000", True),
        ("10.0.0.7", "", "10.0.0.8:8000", False),
        ("0.0.0.0", "", "10.0.0.8:8000", True),
        ("::", "", "[fd00::7]:8000", True),
        ("0.0.0.0", "", "evil.example", False),
        ("127.0.0.1", "api.example, gateway", "gateway:8000", True),
        ("127.0.0.1", "api.example", "localhost", True),
        ("127.0.0.1", "api.example", "www.api.example", False),
        ("127.0.0.1", "*.example", "www.api.example", True),
        ("127.0.0.1", "*.example", "example", False),
        ("127.0.0.1", "*", "evil.example", True),
    ],
)
def test_hosts_are_those_bound_and_those_allowed(
    monkeypatch: pytest.MonkeyPatch, bound: str, allowed: str, host: str, is_ours: bool
) -> None:
    monkeypatch.setenv("PUSHFORWARD_HTTP_HOST", bound)
    monkeypatch.setenv("PUSHFORWARD_ALLOWED_HOSTS", allowed)
    assert Hosts(Settings()).allows(host) is is_ours


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CORS_ORIGINS", "mine.example"),
        ("CORS_ORIGINS", "https://mine.example/"),
        ("ALLOWED_HOSTS", "http://mine.example"),
        ("ALLOWED_HOSTS", "mine.example:80"),
    ],
)
def test_a_setting_that_could_never_match_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"PUSHFORWARD_{name}", value)
    with pytest.raises(ValidationError, match="write"):
        Settings()


@pytest.mark.parametrize(
    ("host", "local"), [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False)]
)
def test_an_address_is_local_where_only_this_machine_reaches_it(host: str, local: bool) -> None:
    assert is_local(host) is local


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/jobs/{id}/cancel"), ("DELETE", "/models/moons"), ("POST", "/train"), ("POST", "/sample")],
)
async def test_pages_of_other_sites_change_nothing(apis: Apis, headers: dict[str, str], method: str, path: str) -> None:
    job = (await apis.rest.post("/train", json={"model": "m", "preset": "vae-digits"})).json()
    refused = await apis.rest.request(method, path.replace("{id}", job["id"]), headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden")
    assert (await apis.rest.get(f"/jobs/{job['id']}")).json()["cancel_requested"] is False
    assert (await apis.rest.get("/models/moons")).status_code == 200


@pytest.mark.parametrize("origin", ["http://localhost", "http://localhost:80"])
async def test_our_own_page_may_call(apis: Apis, origin: str) -> None:
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
    answer = await apis.rest.post("/sample", json={"model": "moons"}, headers=headers)
    assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (200, False)


@pytest.mark.parametrize("form", ["text/plain", "text/plain;charset=UTF-8", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("path", ["/jobs/{id}/cancel", "/train", "/sample", "/likelihood", "/nothing"])
async def test_what_a_form_can_send_is_refused(apis: Apis, form: str, path: str) -> None:
    job = (await apis.rest.post("/train", json={"model": "m", "preset": "vae-digits"})).json()
    address = path.replace("{id}", job["id"])
    refused = await apis.rest.post(address, content=b"{}", headers={"Content-Type": form})
    assert (refused.status_code, refused.json()["type"]) == (415, "/problems/unsupported-media")
    assert (await apis.rest.get(f"/jobs/{job['id']}")).json()["cancel_requested"] is False


class TestListedOrigins:
    """CORS, by setting."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"cors_origins": (MINE,)})

    async def test_may_call_and_read(self, apis: Apis) -> None:
        headers = {"Origin": MINE, "Sec-Fetch-Site": "cross-site"}
        drawn = await apis.rest.post("/sample", json={"model": "moons"}, headers=headers)
        refused = await apis.rest.post("/sample", json={"model": "nobody"}, headers=headers)
        assert (drawn.status_code, refused.status_code) == (200, 404)
        for answer in (drawn, refused):
            assert answer.headers["access-control-allow-origin"] == MINE
            assert answer.headers["vary"] == "Origin"

    async def test_are_told_so_before_they_call(self, apis: Apis) -> None:
        asked = {"Origin": MINE, "Access-Control-Request-Method": "POST"}
        told = await apis.rest.options("/sample", headers=asked)
        assert told.status_code == 204
        assert told.headers["access-control-allow-origin"] == MINE
        assert "POST" in told.headers["access-control-allow-methods"]
        assert "Content-Type" in told.headers["access-control-allow-headers"]

    async def test_are_no_others(self, apis: Apis) -> None:
        asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        told = await apis.rest.options("/sample", headers=asked)
        read = await apis.rest.get("/jobs", headers=asked)
        assert told.status_code == 405
        assert "access-control-allow-origin" not in {*told.headers, *read.headers}
