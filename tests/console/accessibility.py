"""The rules of WCAG 2.2, A and AA, as axe checks them."""

from pathlib import Path
from typing import Any

from playwright.async_api import Browser

AXE = Path(__file__).parents[2] / "tools/console/node_modules/axe-core/axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


async def violations(browser: Browser, url: str, scheme: str, *, width: int = 1200) -> list[str]:
    """What axe finds on a page, in words; the page may load its own script only, so that rule is off for axe's."""
    context = await browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce"
    )
    try:
        page = await context.new_page()
        await page.goto(url)
        await page.locator("h1").wait_for()
        await page.wait_for_load_state("networkidle")
        await page.add_script_tag(path=AXE)
        found: dict[str, Any] = await page.evaluate(
            "rules => axe.run(document, { runOnly: { type: 'tag', values: rules } })", list(RULES)
        )
        overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        wide = [f"the page is {overflow} pixels wider than {width}"] if overflow > 0 else []
        nodes = [(each, node) for each in found["violations"] for node in each["nodes"]]
        return wide + [f"{each['id']}: {each['help']}: {node['html'][:160]}" for each, node in nodes]
    finally:
        await context.close()
