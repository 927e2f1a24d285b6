"""A first-time user: an empty service, two clicks, a model."""

import signal

import psutil
import pytest
from playwright.async_api import Browser, expect

from pushforward.service.client import Client
from tests.console.accessibility import violations
from tests.console.conftest import Watched
from tests.e2e.running import Up

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_empty_service_shows_three_steps_and_trains_in_one_click(console: Watched, client: Client) -> None:
    page = await console.open()
    await expect(page.locator("ol.steps li")).to_have_count(3)
    await page.get_by_role("button", name="Train on handwritten digits").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Job ")
    await expect(page.get_by_text("succeeded")).to_be_visible(timeout=120_000)
    await expect(page.get_by_role("figure").filter(has_text="Losses by step").locator("canvas")).to_be_visible()
    await expect(page.get_by_role("img", name="samples at step")).to_be_visible()
    [job] = client.get("/jobs")["jobs"]
    assert (job["preset"], job["state"], job["model"]) == ("vae-digits", "succeeded", "digits")
    await page.get_by_role("link", name="digits@1").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("digits@1")


async def test_the_newest_models_are_shown_by_their_samples(console: Watched) -> None:
    page = await console.open()
    picture = page.get_by_role("img", name="Samples of digits@1")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("picture => picture.naturalWidth") > 100
    await expect(page.get_by_role("heading", name="First steps")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["", "jobs", "models"])
async def test_axe_finds_nothing_once_there_is_something(browser: Browser, up: Up, path: str, scheme: str) -> None:
    assert await violations(browser, f"{up.place.url}/console/{path}", scheme, width=320) == []


async def test_the_page_outlives_the_gateway(console: Watched, up: Up) -> None:
    page = await console.open()
    [gateway] = [
        child for child in psutil.Process(up.process.pid).children() if "pushforward.service.gateway" in child.cmdline()
    ]
    gateway.send_signal(signal.SIGKILL)
    await expect(page.get_by_text("The service does not answer.").first).to_be_visible()
    await expect(page.get_by_text("The service answers again.")).to_be_visible(timeout=30_000)
    await expect(page.get_by_role("listitem").get_by_role("link", name="digits@1")).to_be_visible()
