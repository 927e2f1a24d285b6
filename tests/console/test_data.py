"""Data from the browser: uploaded, outlined, previewed, trained on, replaced, deleted."""

import io

import numpy as np
import pytest
from playwright.async_api import Browser, FilePayload, expect

from pushforward.service.client import Client
from tests.console.accessibility import violations
from tests.console.conftest import Watched
from tests.e2e.running import Up

pytestmark = pytest.mark.asyncio(loop_scope="module")


def penguins(n: int) -> FilePayload:
    """A small table."""
    noise = np.random.default_rng(0).normal(size=n)
    lines = [f'{180 + 10 * z:.1f},{"Adelie" if z < 0 else "Gentoo"},"a, ""b"""' for z in noise]
    return {
        "name": "My Penguins.csv",
        "mimeType": "text/csv",
        "buffer": "\n".join(["flipper,species,note", *lines]).encode(),
    }


async def test_a_file_is_uploaded_outlined_previewed_and_leads_to_a_training(console: Watched, client: Client) -> None:
    page = await console.open("data")
    await page.get_by_label("Drop a file here, or choose one").set_input_files(penguins(60))
    await expect(page.get_by_label("Name", exact=True)).to_have_value("my-penguins")
    await page.get_by_role("button", name="Upload").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Data my-penguins")
    await expect(page.get_by_text("60 rows of")).to_be_visible(timeout=60_000)
    await expect(page.get_by_role("region", name="The first rows")).to_contain_text('a, "b"')
    assert client.get("/datasets/my-penguins")["media_type"] == "text/csv"
    await page.get_by_role("link", name="Train on it").click()
    await expect(page.get_by_role("heading", level=2, name="On my-penguins")).to_be_visible()
    await page.get_by_text("What is sent, as JSON").click()
    await expect(page.get_by_label("The request")).to_contain_text("my-penguins", timeout=60_000)


async def test_a_dropped_file_is_taken(console: Watched) -> None:
    page = await console.open("data")
    file = io.BytesIO()
    np.save(file, np.arange(600, dtype=np.float32).reshape(300, 2))
    transfer = await page.evaluate_handle(
        "bytes => { const data = new DataTransfer();"
        " data.items.add(new File([new Uint8Array(bytes)], 'points.npy')); return data; }",
        list(file.getvalue()),
    )
    await page.dispatch_event("form[aria-label='Upload data']", "drop", {"dataTransfer": transfer})
    await page.get_by_role("button", name="Upload").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Data points")
    await expect(page.get_by_text("300 rows, each of shape 2")).to_be_visible(timeout=60_000)
    await expect(page.get_by_label("row 0")).to_have_text("0, 1")


async def test_data_of_the_same_name_are_replaced_and_that_is_told(console: Watched, client: Client) -> None:
    page = await console.open("data")
    before = client.get("/datasets/my-penguins")["sha256"]
    await page.get_by_label("Drop a file here, or choose one").set_input_files(penguins(80))
    await expect(page.get_by_text("It replaces the data of this name.")).to_be_visible()
    await page.get_by_role("button", name="Replace").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Data my-penguins")
    assert client.get("/datasets/my-penguins")["sha256"] != before


async def test_a_wrong_name_and_a_wrong_file_are_told_at_once(console: Watched) -> None:
    page = await console.open("data")
    await page.get_by_label("Drop a file here, or choose one").set_input_files(penguins(10))
    await page.get_by_label("Name", exact=True).fill("Not A Name")
    await page.get_by_role("button", name="Upload").click()
    await expect(page.get_by_role("alert")).to_contain_text("lowercase")
    wrong: FilePayload = {"name": "wrong.npy", "mimeType": "", "buffer": b"no array"}
    await page.get_by_label("Drop a file here, or choose one").set_input_files(wrong)
    await page.get_by_role("button", name="Upload").click()
    await expect(page.get_by_role("alert")).to_contain_text("npy")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["data", "data/my-penguins"])
async def test_axe_finds_nothing(browser: Browser, up: Up, path: str, scheme: str) -> None:
    assert await violations(browser, f"{up.place.url}/console/{path}", scheme, width=320) == []


async def test_data_are_deleted_once_their_name_is_typed(console: Watched, client: Client) -> None:
    page = await console.open("data/my-penguins")
    await page.get_by_role("button", name="Delete …").click()
    last = page.get_by_role("button", name="Delete my-penguins")
    await expect(last).to_be_disabled()
    await page.get_by_label("Name").fill("my-penguins")
    await last.click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Data")
    assert [each["name"] for each in client.get("/datasets")["datasets"]] == ["points"]
