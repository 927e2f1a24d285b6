"""What a page loads before any data, compressed."""

from playwright.async_api import Browser

from pushforward.service.console.files import read


async def weight(browser: Browser, url: str) -> int:
    """Bytes of the console's own files; pictures of presets are data."""
    context = await browser.new_context()  # with nothing cached
    try:
        page = await context.new_page()
        loaded: set[str] = set()
        page.on("response", lambda response: loaded.add(response.url))
        await page.goto(url)
        await page.locator("h1").wait_for()
        await page.wait_for_load_state("networkidle")
        files = (read(each.partition("/console/")[2]) for each in loaded if "/console/" in each)
        return sum(len(file.gzipped) for file in files if file is not None and file.media_type != "image/webp")
    finally:
        await context.close()
