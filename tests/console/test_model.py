"""The page of a model, against real small models: every tab, links that reproduce, commands that give the same."""

import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Browser, Locator, expect

from pushforward.service.client import Client
from tests.console.accessibility import violations
from tests.console.conftest import Watched
from tests.console.weight import weight
from tests.e2e.running import Up

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]  # seven trainings

STEPS = 40
PRESETS = {
    "digits": "vae-digits",
    "moons": "flow-two-moons",
    "labels": "conditional-vae-digits",
    "puzzle": "puzzle-digits",
    "steps": "guided-diffusion-digits",
}
TABS = ("draw", "score", "codes", "walk", "rebuild", "versions", "report")


@pytest.fixture(scope="module", autouse=True)
def models(client: Client, up: Up) -> None:
    """A few, of few steps; `digits` twice."""
    rows = np.random.default_rng(0).normal(size=200)
    up.place.data_root.mkdir(exist_ok=True)
    lines = [f"{z:.3f},{'low' if z < 0 else 'high'}" for z in rows]
    (up.place.data_root / "small.csv").write_text("\n".join(["height,kind", *lines]))
    jobs = [
        client.train(name, preset=preset, run={"budget": {"steps": STEPS, "epochs": None}})
        for name, preset in PRESETS.items()
    ]
    jobs.append(client.train("digits", preset="vae-digits", run={"budget": {"steps": STEPS, "epochs": None}}))
    run = {"family": {"family": "flow"}, "data": {"source": "table", "path": "small.csv"}, "budget": {"steps": STEPS}}
    jobs.append(client.train("table", run=run))
    for job in jobs:
        states = [data["state"] for kind, data in client.watch(job["id"]) if kind == "state"]
        assert states[-1] == "succeeded", job


async def picture(canvas: Locator) -> str:
    """Its pixels."""
    await expect(canvas).to_be_visible()
    url: str = await canvas.evaluate("canvas => canvas.toDataURL()")
    return url


async def test_a_drawing_is_reproduced_by_its_link_and_another_differs(console: Watched) -> None:
    page = await console.open("models/digits@1/draw")
    cell = page.get_by_role("gridcell").first.locator("canvas")
    first = await picture(cell)
    assert "seed=" in page.url
    await page.goto(page.url)
    assert await picture(page.get_by_role("gridcell").first.locator("canvas")) == first
    await page.keyboard.press("n")
    await expect(page.get_by_role("gridcell").first.locator("canvas")).to_be_visible()
    await expect(page.get_by_label("Loading")).to_have_count(0)
    for _ in range(300):
        if await picture(page.get_by_role("gridcell").first.locator("canvas")) != first:
            break
        await page.wait_for_timeout(100)
    assert await picture(page.get_by_role("gridcell").first.locator("canvas")) != first


async def test_samples_are_reached_by_arrows_and_opened_by_enter(console: Watched) -> None:
    page = await console.open("models/digits@1/draw?seed=0&n=9")
    await page.get_by_role("button", name="sample 0, seed 0").focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("button", name="sample 4, seed 0")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Score it").click()
    await expect(
        page.get_by_role("heading", name="No row is flagged").or_(
            page.get_by_role("heading", name="1 row of 1 flagged")
        )
    ).to_be_visible()
    await expect(page.get_by_role("img", name="Held-out rows, and the rows that were given")).to_be_visible()


@pytest.mark.parametrize("form", ["curl", "command line", "Python"])
async def test_what_is_copied_gives_the_same_rows(console: Watched, client: Client, form: str, tmp_path: Path) -> None:
    page = await console.open("models/table@1/draw?seed=5&n=3")
    await page.get_by_role("button", name=form).click()
    copied = await page.get_by_label("The copied command").inner_text()
    assert await page.evaluate("navigator.clipboard.readText()") == copied
    if form == "Python":
        command = [sys.executable, "-c", copied]
    else:
        words = shlex.split(copied)
        command = [sys.executable, "-m", *words] if words[0] == "pushforward" else words
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    wanted = client.ask("sample", {"model": "table@1", "n": 3, "seed": 5}).json()["records"]
    came = np.array(
        re.findall(r"-?[0-9]+[.][0-9]+(?:e-?[0-9]+)?", done.stdout), float
    )  # up to rounding: the batch differs
    assert all(np.isclose(came, row["height"], rtol=1e-3, atol=1e-4).any() for row in wanted)
    assert all(f"{row['kind']}" in done.stdout for row in wanted)
    first = page.get_by_role("region", name="Rows").locator("tbody tr").first
    await expect(first).to_contain_text(wanted[0]["kind"])


async def test_a_model_of_the_plane_is_drawn_beside_its_density(console: Watched) -> None:
    page = await console.open("models/moons@1/draw?seed=1&n=500")
    density = page.get_by_role("img", name="density map of the model")
    await expect(density).to_be_visible(timeout=30_000)
    colors = await density.evaluate(
        "canvas => new Set(new Uint32Array(canvas.getContext('2d').getImageData(50, 210, 360, 1).data.buffer)).size"
    )
    assert colors > 10
    await expect(page.get_by_role("img", name="500 samples, seed 1")).to_be_visible()


@pytest.mark.parametrize("form", ["curl", "Python"])
async def test_the_density_is_copied_as_the_request_of_the_same_map(
    console: Watched, form: str, tmp_path: Path
) -> None:
    page = await console.open("models/moons@1/draw?seed=1&n=500")
    copies = page.get_by_role("group", name="Copy the density")
    await copies.get_by_role("button", name=form).click()
    copied = await copies.get_by_label("The copied command").inner_text()
    command = shlex.split(copied) if form == "curl" else [sys.executable, "-c", copied]
    subprocess.run(command, check=True, timeout=60, cwd=tmp_path)
    with Image.open(tmp_path / "picture.png") as drawn:
        assert drawn.size > (300, 300)


@pytest.mark.parametrize("form", ["curl", "Python", "command line"])
async def test_what_a_page_read_is_copied_as_commands_that_read_it(console: Watched, client: Client, form: str) -> None:
    page = await console.open("models/moons@1/versions")
    await page.get_by_role("button", name=form).click()
    copied = await page.get_by_label("The copied command").inner_text()
    words = [sys.executable, "-c", copied] if form == "Python" else shlex.split(copied)
    command = [sys.executable, "-m", *words] if words[0] == "pushforward" else words
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert client.get("/models/moons@1")["weights_sha256"] in done.stdout


async def test_each_label_has_its_turn_until_one_is_chosen(console: Watched) -> None:
    page = await console.open("models/labels@1/draw?seed=0&n=4")
    mixed = await picture(page.get_by_role("gridcell").nth(1).locator("canvas"))
    await page.get_by_label("Condition").select_option("1")
    await expect(page).to_have_url(re.compile("condition=1"))
    await expect(page.get_by_label("Loading")).to_have_count(0)
    assert await picture(page.get_by_role("gridcell").nth(1).locator("canvas")) == mixed
    await page.get_by_label("Condition").select_option("7")
    await expect(page).to_have_url(re.compile("condition=7"))
    for _ in range(300):
        if await picture(page.get_by_role("gridcell").nth(1).locator("canvas")) != mixed:
            break
        await page.wait_for_timeout(100)
    assert await picture(page.get_by_role("gridcell").nth(1).locator("canvas")) != mixed


async def test_a_conditional_sample_goes_to_other_tabs_with_its_label(console: Watched) -> None:
    page = await console.open("models/labels@1/draw?seed=0&n=9")
    await page.get_by_role("button", name="sample 4, seed 0").click()
    await page.get_by_role("button", name="Score it").click()
    await expect(page.get_by_label("Condition")).to_have_value("4")
    await expect(page.get_by_role("heading", name=re.compile("flagged"))).to_be_visible()
    for tab in ("codes", "walk", "rebuild"):
        await page.goto(f"{console.url}/console/models/labels@1/{tab}?row=0:9:4&condition=4")
        await expect(page.locator("canvas").last).to_be_visible()
        await expect(page.get_by_role("alert")).to_have_count(0)


async def test_samples_are_watched_on_their_way_from_noise(console: Watched) -> None:
    page = await console.open("models/steps@1/draw?seed=0&n=4")
    await page.get_by_role("button", name="Watch it being drawn").click()
    await expect(page.get_by_text("4 rows: data")).to_be_visible(timeout=30_000)
    last = await picture(page.locator("[data-previews]").get_by_role("gridcell").first.locator("canvas"))
    assert last == await picture(page.get_by_role("gridcell").first.locator("canvas"))


async def test_errors_of_the_service_stand_at_their_field(console: Watched) -> None:
    page = await console.open("models/digits@1/score")
    await page.get_by_label("Rows to score").fill("[[1, 2, 3]]")
    await page.get_by_role("button", name="Score").click()
    await expect(page.get_by_role("alert")).to_contain_text("shape")
    await page.get_by_role("alert").get_by_role("link", name="x").click()
    await expect(page.get_by_label("Rows to score")).to_be_focused()
    await page.get_by_label("Rows to score").fill("[[1, 2")
    await page.get_by_role("button", name="Score").click()
    await expect(page.get_by_role("alert").filter(has_text="This is not JSON")).to_be_visible()


async def test_the_odd_one_out_is_flagged(console: Watched) -> None:
    page = await console.open("models/moons@1/score")
    await page.get_by_label("Rows to score").fill("0,1\n40,-40")
    await page.get_by_role("button", name="Score").click()
    await expect(page.get_by_role("heading", name="1 row of 2 flagged")).to_be_visible()
    await expect(page.locator(".histogram path.flagged")).to_have_count(1)
    await expect(page.locator("tbody tr").nth(1)).to_contain_text("flagged")


async def test_dropped_arrays_are_rebuilt(console: Watched) -> None:
    page = await console.open("models/digits@1/rebuild")
    file = io.BytesIO()
    np.save(file, np.full((2, 1, 8, 8), 4, np.float32))
    await page.get_by_label("or a file").set_input_files(
        {"name": "two.npy", "mimeType": "application/octet-stream", "buffer": file.getvalue()}
    )
    await expect(page.get_by_role("img", name="row 1, rebuilt")).to_be_visible()
    await expect(page.locator("tbody tr")).to_have_count(2)


async def test_a_code_under_the_pointer_or_the_arrows_is_decoded(console: Watched) -> None:
    page = await console.open("models/digits@1/codes")
    plane = page.get_by_role("application")
    await expect(plane).to_be_visible()
    await plane.hover()
    await expect(page.get_by_role("img", name="the decoded row")).to_be_visible()
    first = await picture(page.get_by_role("img", name="the decoded row"))
    await plane.focus()
    for _ in range(6):
        await page.keyboard.press("ArrowRight")
    for _ in range(300):
        if await picture(page.get_by_role("img", name="the decoded row")) != first:
            break
        await page.wait_for_timeout(100)
    assert await picture(page.get_by_role("img", name="the decoded row")) != first


async def test_a_walk_is_a_filmstrip_and_its_ends_are_the_samples(console: Watched) -> None:
    page = await console.open("models/digits@1/walk?start_seed=1&end_seed=2&steps=5")
    await expect(page.locator(".film li")).to_have_count(5)
    await page.get_by_role("slider").fill("4")
    await expect(page.get_by_text("Step 4 of 4")).to_be_visible()
    last = await picture(page.get_by_role("img", name="step 4", exact=True))
    await page.goto(f"{console.url}/console/models/digits@1/walk?start_seed=2&end_seed=3&steps=5")
    assert await picture(page.get_by_role("img", name="step 0", exact=True)) == last


async def test_a_table_s_empty_cells_and_a_picture_s_hidden_half_are_completed(
    console: Watched, client: Client
) -> None:
    page = await console.open("models/table@1/complete")
    if "complete" in client.get("/models/table")["capabilities"]:
        await page.get_by_label("Rows with empty cells").fill("height,kind\n,high")
        await page.get_by_role("button", name="Complete").click()
        await expect(page.get_by_role("region", name="Completed rows").locator("tbody")).to_contain_text("high")
    await page.goto(f"{console.url}/console/models/puzzle@1/complete")
    await page.get_by_role("button", name="Complete").click()
    await expect(page.get_by_role("img", name="row 0, completed").or_(page.get_by_role("alert")).first).to_be_visible()


async def test_versions_stand_side_by_side(console: Watched) -> None:
    page = await console.open("models/digits@1/versions")
    await expect(page.get_by_role("columnheader")).to_have_count(3)
    await expect(page.get_by_role("img", name="Samples of digits@2")).to_be_visible()
    await expect(page.get_by_role("img", name="Samples of digits@1")).to_be_visible()


async def test_a_report_is_asked_for_and_shown(console: Watched) -> None:
    page = await console.open("models/moons@1/report")
    await page.get_by_role("button", name="Evaluate").click()
    await expect(page.get_by_text("succeeded")).to_be_visible(timeout=120_000)
    await page.goto(f"{console.url}/console/models/moons@1/report")
    await expect(page.get_by_role("columnheader", name="floor")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path", ["labels@1/draw?seed=0", "labels@1/codes", "table@1/draw?seed=0", "moons@1/draw?seed=0"]
)
async def test_axe_finds_nothing_on_other_kinds_of_models(browser: Browser, up: Up, path: str, scheme: str) -> None:
    assert await violations(browser, f"{up.place.url}/console/models/{path}", scheme, width=320) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tab", TABS)
async def test_axe_finds_nothing_on_any_tab(browser: Browser, up: Up, tab: str, scheme: str) -> None:
    url = f"{up.place.url}/console/models/digits@1/{tab}?row=0:9:1&seed=0"
    assert await violations(browser, url, scheme, width=320) == []


@pytest.mark.parametrize("tab", TABS)
async def test_a_tab_weighs_less_than_60_kilobytes(browser: Browser, up: Up, tab: str) -> None:
    assert await weight(browser, f"{up.place.url}/console/models/digits@1/{tab}") < 60_000


async def test_a_version_is_deleted_once_its_name_is_typed(console: Watched, client: Client) -> None:
    page = await console.open("models/digits@2/versions")
    await page.get_by_role("button", name="Delete …").click()
    await page.get_by_label("Name").fill("digits@2")
    await page.get_by_role("button", name="Delete digits@2").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Models")
    assert [card["version"] for card in client.get("/models", model="digits")["models"]] == [1]
