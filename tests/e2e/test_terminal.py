"""Pictures and curves in a terminal, of a real service: what the service drew is what a terminal shows."""

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pushforward.service.client import Client
from tests.e2e.running import ROOT, Up
from tests.service.cli.graphics.terminals import (
    KITTY,
    NEITHER,
    SIXELS,
    Terminal,
    pixels_of_blocks,
    pixels_of_sixels,
    png_of_kitty,
)

BUDGET = {"budget": {"steps": 20, "epochs": None}}


@pytest.fixture(scope="module")
def job(client: Client) -> str:
    """A training of digits; those of the others go before."""
    presets = {
        "plane": "flow-two-moons",
        "puzzle": "puzzle-digits",
        "thick": "cyclegan-digits-thick",
        "digits": "vae-digits",
    }
    for model, preset in presets.items():
        started = client.train(model, preset=preset, run=BUDGET)["id"]
        states = [data["state"] for kind, data in client.watch(started) if kind == "state"]
        assert states[-1] == "succeeded"
    return started


def shown(up: Up, answer: bytes, *words: str, **environment: str) -> str:
    terminal = Terminal(answer, columns=160, rows=60)
    terminal.environment |= {"PUSHFORWARD_URL": up.place.url, **environment}
    return terminal.run("-m", "pushforward", *words)


def drawn(client: Client, op: str, body: dict[str, object]) -> np.ndarray:
    """The pixels of the picture that the service draws."""
    return pixels(client.ask(op, body, accept="image/png").content)


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(png)).convert("RGB")).astype(int)


def enlarged(wanted: np.ndarray, came: np.ndarray) -> np.ndarray:
    times = came.shape[0] // wanted.shape[0]
    assert times > 1
    return wanted.repeat(times, 0).repeat(times, 1)


@pytest.mark.usefixtures("job")
def test_samples_are_the_service_s_picture_in_each_kind_of_terminal(up: Up, client: Client) -> None:
    words = ("sample", "digits", "-n", "9", "--seed", "3")
    wanted = drawn(client, "sample", {"model": "digits", "n": 9, "seed": 3})
    text = shown(up, KITTY, *words)
    came = pixels(png_of_kitty(text))
    assert np.array_equal(came, enlarged(wanted, came))
    assert "digits@1 with seed 3" in text
    came = pixels_of_sixels(shown(up, SIXELS, *words))
    assert np.abs(came - enlarged(wanted, came)).max() <= 1.5
    text = shown(up, NEITHER, *words)
    blocks = "\n".join(line for line in text.splitlines() if "▀" in line)
    assert np.array_equal(pixels_of_blocks(blocks)[: len(wanted)], wanted)
    assert "\x1b" not in shown(up, b"", *words, NO_COLOR="1").replace("\x1b[0m", "")


ROWS = np.full((4, 1, 8, 8), 3.0, np.float32)
PATCHES = np.arange(2 * 3 * 16, dtype=np.float32).reshape(2, 3, 1, 4, 4) % 16
FILES = {"z.npy": np.zeros((4, 8), np.float32), "x.npy": ROWS, "patches.npy": PATCHES}


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize(
    ("model", "op", "flags", "body"),
    [
        ("digits", "interpolate", "--start-seed 1 --end-seed 2", {"start_seed": 1, "end_seed": 2, "steps": 8}),
        ("digits", "decode", "--z z.npy", {"z": FILES["z.npy"].tolist()}),
        ("digits", "reconstruct", "--x x.npy", {"x": ROWS.tolist()}),
        ("puzzle", "complete", "--patches patches.npy --seed 0", {"patches": PATCHES.tolist(), "seed": 0}),
        ("thick", "translate", "--x x.npy --to 1 --condition 0", {"x": ROWS.tolist(), "to": 1, "condition": 0}),
    ],
)
def test_other_answers_of_images_are_pictures_too(
    up: Up, client: Client, model: str, op: str, flags: str, body: dict[str, object], tmp_path: Path
) -> None:
    for name, array in FILES.items():
        np.save(tmp_path / name, array)
    paths = [str(tmp_path / flag) if flag.endswith(".npy") else flag for flag in flags.split()]
    came = pixels(png_of_kitty(shown(up, KITTY, op, model, *paths)))
    wanted = drawn(client, op, {"model": model, **body})
    assert np.array_equal(came, enlarged(wanted, came))


@pytest.mark.usefixtures("job")
def test_points_of_the_plane_are_drawn_by_pixels_and_are_numbers_elsewhere(up: Up, client: Client) -> None:
    words = ("sample", "plane", "-n", "300", "--seed", "0")
    wanted = drawn(client, "sample", {"model": "plane", "n": 300, "seed": 0})
    came = pixels(png_of_kitty(shown(up, KITTY, *words)))
    assert came.shape[0] % wanted.shape[0] == 0
    assert '"samples":[[' in shown(up, NEITHER, *words)


def test_losses_are_the_service_s_chart_or_dots(up: Up, client: Client, job: str) -> None:
    came = pixels(png_of_kitty(shown(up, KITTY, "jobs", job, "--losses")))
    assert np.array_equal(came, pixels(client.picture_of_losses(job)))
    text = shown(up, NEITHER, "jobs", job, "--losses")
    for curve in client.losses(job)["curves"]:
        assert f"{curve['name']}  {float(curve['values'][0]):.4g} →" in text
    assert any(0x2801 <= ord(letter) <= 0x28FF for letter in text)


@pytest.mark.parametrize(
    "words",
    [
        ("sample", "digits"),
        ("jobs", "JOB", "--losses"),
        ("jobs", "JOB", "--losses", "--json"),
        ("jobs", "JOB", "--follow"),
    ],
)
def test_a_pipe_never_gets_an_escape(up: Up, client: Client, job: str, words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "pushforward", *(job if word == "JOB" else word for word in words)]
    environment = {"PUSHFORWARD_URL": up.place.url, "PYTHONPATH": str(ROOT), "TERM": "xterm-kitty", "FORCE_COLOR": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert b"\x1b_G" not in done.stdout + done.stderr
    assert b"\x1b" not in done.stdout
    if "--json" in words:
        assert json.loads(done.stdout) == client.losses(job, points=500)
    elif "--losses" in words:
        curves = client.losses(job, points=500)["curves"]
        wanted = [(curve["name"], f"{step}") for curve in curves for step in curve["steps"]]
        assert [tuple(line.split()[:2]) for line in done.stdout.decode().splitlines()[-len(wanted) :]] == wanted


@pytest.mark.usefixtures("job")
def test_a_training_that_is_followed_ends_with_its_curves(up: Up) -> None:
    words = ("train", "again", "--preset", "vae-digits", "--budget.steps", "20", "--follow")
    text = shown(up, NEITHER, *words)
    assert "negative_elbo_nats  " in text.rpartition("trained again@1")[0]
    assert "▁" in text
