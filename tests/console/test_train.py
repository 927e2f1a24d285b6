"""Training from the browser: a preset in two clicks, a run by fields, what it takes, errors at their fields."""

import json
import shlex
import subprocess
import sys

import pytest
from playwright.async_api import Browser, Page, expect

from pushforward.service.client import Client
from tests.console.accessibility import violations
from tests.console.conftest import Watched
from tests.console.weight import weight
from tests.e2e.running import Up

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(autouse=True)
def nothing_runs_on(client: Client):
    yield
    for state in ("running", "queued"):
        for job in client.get("/jobs", state=state)["jobs"]:
            client.cancel(job["id"])


async def newest(client: Client, page: Page) -> dict[str, object]:
    """The job whose page is open."""
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Job ")
    job: dict[str, object] = client.get(f"/jobs/{page.url.rpartition('/')[2]}")
    return job


async def test_a_preset_is_trained_in_two_clicks(console: Watched, client: Client) -> None:
    page = await console.open("train")
    await page.get_by_role("searchbox").fill("flow two moons")
    await page.get_by_role("link", name="flow-two-moons", exact=True).click()
    await page.get_by_role("button", name="Train").click()
    job = await newest(client, page)
    assert (job["preset"], job["model"]) == ("flow-two-moons", "flow-two-moons")


async def test_only_what_was_changed_is_sent(console: Watched, client: Client) -> None:
    page = await console.open("train?preset=vae-digits")
    await page.get_by_text("The run, field by field").click()
    await page.get_by_label("steps", exact=True).fill("30")
    await page.get_by_label("latent", exact=True).fill("3")
    await page.locator("#field-family-likelihood-likelihood").select_option("bernoulli")
    await page.get_by_label("Name of the model").fill("changed")
    await page.get_by_text("What is sent, as JSON").click()
    sent = json.loads(await page.get_by_label("The request").inner_text())
    assert sent["run"]["budget"]["steps"] == 30
    assert sent["run"]["family"] == {"latent": 3, "likelihood": {"likelihood": "bernoulli"}}
    await page.get_by_role("button", name="Train").click()
    job = await newest(client, page)
    assert job["run"]["family"]["latent"] == 3  # type: ignore[index]
    assert job["run"]["family"]["width"] == 32  # type: ignore[index]


async def test_an_error_stands_at_its_field_and_the_summary_leads_there(console: Watched) -> None:
    page = await console.open("train?own=1")
    field = page.get_by_label("n_transforms", exact=True)
    await field.fill("0")
    await page.get_by_role("button", name="Train").click()
    await expect(field).to_have_attribute("aria-invalid", "true")
    await page.get_by_role("alert").get_by_role("link").first.click()
    await expect(field).to_be_focused()


async def test_what_it_would_take_is_measured(console: Watched, client: Client) -> None:
    before = client.get("/jobs")["jobs"]
    page = await console.open("train?preset=flow-two-moons")
    await page.get_by_role("button", name="What would it take?").click()
    taken = page.get_by_role("region", name="What it would take")
    await expect(taken).to_contain_text("Parameters", timeout=90_000)
    await expect(taken).to_contain_text("likelihood")
    assert client.get("/jobs")["jobs"] == before


async def test_what_is_copied_starts_the_same_training(console: Watched, client: Client) -> None:
    page = await console.open("train?preset=flow-two-moons")
    await page.get_by_text("The run, field by field").click()
    await page.get_by_label("steps", exact=True).fill("20")
    runs = []
    for form, program in (("curl", shlex.split), ("command line", shlex.split)):
        await page.get_by_role("button", name=form).click()
        words = program(await page.get_by_label("The copied command").inner_text())
        command = [sys.executable, "-m", *words] if words[0] == "pushforward" else words
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
        job_id = json.loads(done.stdout)["id"] if words[0] == "curl" else client.get("/jobs")["jobs"][0]["id"]
        runs.append(client.get(f"/jobs/{job_id}")["run"])
    assert runs[0] == runs[1]
    assert runs[0]["budget"]["steps"] == 20


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["train", "train?preset=vae-digits", "train?own=1"])
async def test_axe_finds_nothing(browser: Browser, up: Up, path: str, scheme: str) -> None:
    assert await violations(browser, f"{up.place.url}/console/{path}", scheme, width=320) == []


async def test_the_page_weighs_less_than_60_kilobytes(browser: Browser, up: Up) -> None:
    assert await weight(browser, f"{up.place.url}/console/train?own=1") < 60_000
