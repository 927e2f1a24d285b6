"""A browser, and a page that must neither fail, nor load anything from elsewhere."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright, expect

from pushforward.service.client import Client
from tests.e2e.running import Up, start_up, stop_up

expect.set_options(timeout=30_000)  # on whatever machine, beside other tests
FLAGS = (
    *("--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-quic"),
)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    running = start_up(Path(tmp_path_factory.mktemp("up")))
    yield running
    stop_up(running)


@pytest.fixture(scope="module")
def client(up: Up) -> Iterator[Client]:
    with Client(up.place.url) as connected:
        yield connected


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium is not None, "the tests of the console drive Chromium; run `make browser`"
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium, chromium_sandbox=False, args=list(FLAGS))
        yield launched
        await launched.close()


class Watched:
    """A page, and what went wrong on it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.wrong: list[str] = []
        page.on("pageerror", lambda error: self.wrong.append(f"{error}"))
        page.on("console", self._logged)
        page.on("request", self._requested)

    async def open(self, path: str = "") -> Page:
        """A page of the console, once its heading is there."""
        await self.page.goto(f"{self.url}/console/{path}")
        await self.page.locator("h1").wait_for()
        return self.page

    def _logged(self, message: ConsoleMessage) -> None:
        # The browser notes each answer that is an error: what the page makes of it is what tests look at.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.wrong.append(message.text)

    def _requested(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", "blob:")):
            self.wrong.append(f"it asks {request.url}")


@pytest_asyncio.fixture(loop_scope="module")
async def console(browser: Browser, up: Up) -> AsyncIterator[Watched]:
    """A page of its own context; the test fails where the page did."""
    context = await browser.new_context(viewport={"width": 1200, "height": 900})
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    watched = Watched(await context.new_page(), up.place.url)
    yield watched
    await context.close()
    assert watched.wrong == []
