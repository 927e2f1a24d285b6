"""A folder of pictures becomes a model that draws pictures."""

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from pushforward.service.client import Client, Refused
from tests.e2e.running import Up
from tests.models.data.images.pictures import encoded, random_pixels, unzipped, zipped

PNG = "image/png"


def run_of(path: str, **data: Any) -> dict[str, Any]:
    return {
        "family": {"family": "vae", "width": 8, "latent": 2},
        "data": {"source": "images", "path": path, "size": [64, 48], "mode": "RGBA"} | data,
        "budget": {"steps": 3},
        "optimizer": {"batch_size": 8},
    }


def test_a_folder_of_pictures_is_trained_on_and_drawn_from(up: Up, client: Client) -> None:
    pixels = random_pixels(70, 50, 4, n=20)
    files = {f"{'ab'[i % 2]}/{i}.png": encoded(each) for i, each in enumerate(pixels)}
    unzipped(up.place.data_root, files, "pictures")
    job = client.train("pictures", run=run_of("pictures", condition="label"))
    assert [data for kind, data in client.watch(job["id"]) if kind == "state"][-1]["state"] == "succeeded"
    card = client.get("/models/pictures")
    assert card["spec"]["condition"] == {"kind": "labels", "n_classes": 2, "names": ["a", "b"]}
    assert card["notes"][0] == "Labels: 0 is 'a', 1 is 'b'."
    drawn = client.ask("sample", {"model": "pictures", "condition": 1}, accept=PNG)
    picture = Image.open(BytesIO(drawn.content))
    assert (picture.mode, picture.size) == ("RGBA", (48, 64))


def test_a_run_on_a_hostile_zip_is_refused_by_the_entry_before_there_is_a_job(up: Up, client: Client) -> None:
    zipped(up.place.data_root, {"../x.png": b""}, "hostile.zip")
    with pytest.raises(Refused, match=r"run\.data\.path: '\.\./x\.png' of 'hostile\.zip' leads out of the archive"):
        client.train("hostile", run=run_of("hostile.zip"))


def test_a_torn_picture_fails_the_job_by_its_name(up: Up, client: Client) -> None:
    pixels = random_pixels(6, 6, n=12)
    zipped(
        up.place.data_root, {f"{i:02}.png": encoded(each)[: 60 if i == 7 else None] for i, each in enumerate(pixels)}
    )
    job = client.train("torn", run=run_of("x.zip"))
    ended = [data for kind, data in client.watch(job["id"]) if kind == "state"][-1]
    assert ended["state"] == "failed"
    assert ended["error"]["detail"].startswith(
        "run.data.path: '07.png' of 'x.zip' cannot be read, it is torn or altered"
    )
