"""Jobs while they run and afterwards: live curves, several compared, long ones, many models."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from playwright.async_api import Browser, expect

from pushforward.models.storage.sealed import seal
from pushforward.service.client import Client
from pushforward.service.local import redis_server
from tests.console.accessibility import violations
from tests.console.conftest import Watched
from tests.console.weight import weight
from tests.e2e.running import Up

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = {"budget": {"steps": 1_000_000}}
SHORT = {"budget": {"steps": 60}}
N_EVENTS = 10_000
N_MODELS = 200


@pytest.fixture(autouse=True)
def nothing_runs_on(client: Client) -> Iterator[None]:
    """A training that a failed test left would hold up the others."""
    yield
    for state in ("running", "queued"):
        for job in client.get("/jobs", state=state)["jobs"]:
            client.cancel(job["id"])


def trained(client: Client, model: str) -> str:
    """A job that has ended."""
    job_id: str = client.train(model, preset="flow-two-moons", run=SHORT)["id"]
    for _ in client.watch(job_id):
        pass
    return job_id


async def test_a_training_is_watched_paused_resumed_and_cancelled(console: Watched, client: Client) -> None:
    job_id = client.train("long", preset="flow-two-moons", run=LONG)["id"]
    page = await console.open(f"jobs/{job_id}")
    await expect(page.get_by_text("running")).to_be_visible(timeout=60_000)
    await expect(page.get_by_text("steps/s")).to_be_visible(timeout=60_000)
    first = await page.locator("progress").first.evaluate("bar => bar.value")
    await expect(page.locator("progress").first).not_to_have_js_property("value", first)
    await expect(page.get_by_role("figure").filter(has_text="Losses by step")).to_be_visible()
    await expect(page.get_by_role("img", name="samples at step")).to_be_visible(timeout=60_000)
    await page.get_by_role("button", name="pause").click()
    await expect(page.get_by_text("paused")).to_be_visible(timeout=60_000)
    await page.get_by_role("button", name="resume").click()
    await expect(page.get_by_text("running")).to_be_visible(timeout=60_000)
    await page.get_by_role("button", name="cancel").click()
    await expect(page.get_by_text("cancelled")).to_be_visible(timeout=60_000)
    assert client.get(f"/jobs/{job_id}")["state"] == "cancelled"


async def test_a_failed_job_says_why(console: Watched, client: Client) -> None:
    job = client.train("wild", preset="flow-two-moons", run={**SHORT, "optimizer": {"lr": 1e9}})
    page = await console.open(f"jobs/{job['id']}")
    await expect(page.get_by_role("alert")).to_contain_text("lower optimizer.lr", timeout=60_000)


async def test_jobs_are_filtered_and_their_curves_compared_by_a_link(console: Watched, client: Client) -> None:
    ids = [trained(client, "one"), trained(client, "two")]
    page = await console.open("jobs")
    await page.get_by_label("State").select_option("succeeded")
    await expect(page.locator("tbody tr")).to_have_count(2)
    for job_id in ids:
        await page.get_by_label(f"compare {job_id}").check()
    await expect(page.get_by_role("figure").locator("canvas")).to_be_visible()
    await page.goto(page.url)
    await page.get_by_role("button", name="as a table").click()
    for job_id in ids:
        assert await page.get_by_role("columnheader", name=job_id[:6]).count() >= 1
    await page.get_by_label("Model").fill("two")
    await page.keyboard.press("Enter")
    await expect(page.locator("tbody tr:has(input)")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_on_the_page_of_a_job(browser: Browser, client: Client, up: Up, scheme: str) -> None:
    [job, *_] = client.get("/jobs?state=succeeded")["jobs"]
    url = f"{up.place.url}/console/jobs/{job['id']}"
    assert await violations(browser, url, scheme) == []
    assert await violations(browser, url, scheme, width=320) == []


async def test_a_page_with_curves_weighs_less_than_60_kilobytes(browser: Browser, client: Client, up: Up) -> None:
    [job, *_] = client.get("/jobs", state="succeeded")["jobs"]
    assert 30_000 < await weight(browser, f"{up.place.url}/console/jobs/{job['id']}") < 60_000


async def test_a_job_of_ten_thousand_events_is_drawn(console: Watched, client: Client, up: Up) -> None:
    job_id = trained(client, "many-events")
    with redis.Redis.from_url(redis_server.url(up.place.store / ".redis")) as record:
        [key] = [key for key in record.scan_iter(f"*{job_id}*") if record.type(key) == b"stream"]
        [(_, last)] = record.xrevrange(key, count=1)
        with record.pipeline() as pipeline:
            for step in range(N_EVENTS):
                told = {
                    "step": step,
                    "total_steps": N_EVENTS,
                    "losses": {"nll_nats": 1 / (1 + step)},
                    "steps_per_s": 9.0,
                }
                pipeline.xadd(key, {"kind": "progress", "data": json.dumps(told)})
            pipeline.xadd(key, last)
            pipeline.execute()
    page = await console.open(f"jobs/{job_id}")
    await expect(page.get_by_role("status").filter(has_text="step 9,999")).to_be_visible(timeout=30_000)
    await page.get_by_role("button", name="as a table").click()
    assert await page.locator("tbody tr").count() <= 201


async def test_two_hundred_models_are_a_gallery_that_draws_what_is_seen(
    console: Watched, client: Client, up: Up
) -> None:
    trained(client, "moons")
    original = up.place.store / "moons" / "1"
    for number in range(N_MODELS):
        copied_model(original, up.place.store / f"moons-{number:03}" / "1")
    drawn: list[str] = []
    console.page.on("request", lambda request: drawn.append(request.url) if request.url.endswith("/sample") else None)
    page = await console.open("models")
    await expect(page.locator(".card").nth(N_MODELS)).to_be_attached()
    await expect(page.get_by_role("img", name="Samples of").first).to_be_visible()
    assert 1 <= len(drawn) < 60
    await page.keyboard.press("/")
    await page.keyboard.type("moons-17")
    await expect(page.locator(".card")).to_have_count(10)
    await expect(page.get_by_role("img", name="Samples of moons-171@1")).to_be_visible()


def copied_model(original: Path, place: Path) -> None:
    """The same model under another name."""
    shutil.copytree(original, place, ignore=shutil.ignore_patterns("state.*"))
    card = json.loads((place / "card.json").read_text())
    del card["sha256"]
    (place / "card.json").write_bytes(seal({**card, "model": place.parent.name}))
