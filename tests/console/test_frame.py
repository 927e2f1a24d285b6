"""What all pages share: navigation, weight, accessibility, outages."""

import httpx
import pytest
from playwright.async_api import Browser, expect

from tests.console.accessibility import violations
from tests.console.conftest import Watched
from tests.console.weight import weight
from tests.e2e.running import Up

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = ("", "train", "jobs", "models", "data", "no/such/page")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
async def test_axe_finds_nothing_on_an_empty_service(browser: Browser, up: Up, path: str, scheme: str) -> None:
    assert await violations(browser, f"{up.place.url}/console/{path}", scheme) == []


@pytest.mark.parametrize("path", PAGES)
async def test_pages_fit_on_320_pixels(browser: Browser, up: Up, path: str) -> None:
    assert await violations(browser, f"{up.place.url}/console/{path}", "light", width=320) == []


async def test_navigation_moves_the_focus_to_the_heading_and_tells_the_title(console: Watched) -> None:
    page = await console.open()
    await expect(page).to_have_title("Overview · Pushforward")
    await page.get_by_role("link", name="Jobs").click()
    await expect(page.get_by_role("heading", name="Jobs", level=1)).to_be_focused()
    await expect(page).to_have_title("Jobs · Pushforward")
    await page.go_back()
    await expect(page.get_by_role("heading", name="Overview", level=1)).to_be_focused()


async def test_the_keyboard_alone_reaches_every_page_and_lists_its_shortcuts(console: Watched) -> None:
    page = await console.open()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    for letter, heading in (("t", "Train"), ("j", "Jobs"), ("m", "Models"), ("d", "Data"), ("o", "Overview")):
        await page.keyboard.press("g")
        await page.keyboard.press(letter)
        await expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await page.get_by_label("Single letters are shortcuts").uncheck()
    await page.keyboard.press("Escape")
    await page.keyboard.press("g")
    await page.keyboard.press("j")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


async def test_an_unknown_address_says_so(console: Watched) -> None:
    page = await console.open("models/a/b/c")
    await expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")


async def test_an_outage_is_told_and_its_end(console: Watched) -> None:
    page = await console.open()
    await page.route("**/jobs*", lambda route: route.abort("connectionrefused"))
    await expect(page.get_by_text("The service does not answer.").first).to_be_visible()
    await page.unroute("**/jobs*")
    await expect(page.get_by_text("The service answers again.")).to_be_visible()


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_weighs_less_than_60_kilobytes_compressed(browser: Browser, up: Up, path: str) -> None:
    assert 10_000 < await weight(browser, f"{up.place.url}/console/{path}") < 60_000


async def test_files_are_sent_compressed_and_not_again(up: Up) -> None:
    async with httpx.AsyncClient(base_url=up.place.url) as http:
        page = await http.get("/console/")
        assert page.headers["content-encoding"] == "gzip"
        again = await http.get("/console/", headers={"If-None-Match": page.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
