"""`complete`: whole rows of patches in any order, through both APIs, and of what a mask shows."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from PIL import Image

from tests.apis.conftest import Apis

REST = (Path(__file__).parents[2] / "docs/rest.md").read_text()
RNG = np.random.default_rng(0)
PATCHES = RNG.integers(0, 17, (3, 2, 1, 3, 3)).astype(np.float32)
IMAGES = RNG.integers(0, 17, (3, 1, 8, 8)).astype(np.float32)


async def completed(apis: Apis, **fields: Any) -> np.ndarray:
    body = {"model": "puzzle", **{k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in fields.items()}}
    answer = await apis.rest.post("/complete", json=body)
    assert answer.status_code == 200, answer.text
    return np.array(answer.json()["x"])


async def test_the_order_of_patches_does_not_matter(apis: Apis) -> None:
    """T56."""
    whole = await completed(apis, patches=PATCHES)
    assert whole.shape == (3, 1, 8, 8)
    np.testing.assert_allclose(await completed(apis, patches=PATCHES[:, ::-1]), whole, rtol=1e-5, atol=1e-4)


async def test_a_row_is_of_its_own_patches_and_of_the_seed(apis: Apis) -> None:
    whole = await completed(apis, patches=PATCHES)
    np.testing.assert_array_equal(await completed(apis, patches=PATCHES, seed=0), whole)
    np.testing.assert_allclose(await completed(apis, patches=PATCHES[:1]), whole[:1], rtol=1e-5, atol=1e-4)
    assert np.abs(await completed(apis, patches=PATCHES, seed=1) - whole).max() > 1e-3


async def test_what_a_mask_shows_is_cut_into_patches(apis: Apis) -> None:
    mask = np.zeros((8, 8))
    mask[0:3, 1:4] = mask[5:8, 4:7] = 1
    shown = np.stack([IMAGES[..., 0:3, 1:4], IMAGES[..., 5:8, 4:7]], 1)
    whole = await completed(apis, patches=shown)
    np.testing.assert_array_equal(await completed(apis, x=IMAGES, mask=mask), whole)
    np.testing.assert_array_equal(await completed(apis, x=IMAGES * mask, mask=np.stack([mask] * 3)), whole)


async def test_known_pixels_are_not_kept_and_the_contract_says_so(apis: Apis) -> None:
    mask = np.zeros((8, 8))
    mask[2:6, 2:6] = 1
    whole = await completed(apis, x=IMAGES, mask=mask)
    assert np.abs(whole - IMAGES)[..., mask == 1].max() > 1e-3
    contract = (await apis.rest.get("/openapi.json")).json()["paths"]["/complete"]["post"]
    assert "Known pixels are seen and not kept" in str(contract)
    assert "Known pixels are seen and not kept" in REST


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
async def test_what_is_not_known_must_be_finite_and_in_range_and_the_docs_say_so(apis: Apis, value: float) -> None:
    mask = np.ones((8, 8))
    mask[0, 0] = 0
    x = IMAGES.copy()
    x[0, 0, 0, 0] = value
    sent = orjson.dumps({"model": "puzzle", "x": x, "mask": mask}, option=orjson.OPT_SERIALIZE_NUMPY)
    refused = await apis.rest.post("/complete", content=sent, headers={"Content-Type": "application/json"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "x"
    assert "must be finite and in the data's range: send 0, not NaN" in REST


@pytest.mark.parametrize("accept", ["application/x-npy", "image/png"])
async def test_whole_rows_come_as_arrays_and_as_pictures_too(apis: Apis, accept: str) -> None:
    body = BytesIO()
    np.save(body, PATCHES)
    headers = {"Content-Type": "application/x-npy", "Accept": accept}
    answer = await apis.rest.post("/complete?model=puzzle&seed=4", content=body.getvalue(), headers=headers)
    assert answer.status_code == 200, answer.text
    if accept == "image/png":
        assert Image.open(BytesIO(answer.content)).format == "PNG"
    else:
        expected = await completed(apis, patches=PATCHES, seed=4)
        np.testing.assert_allclose(np.load(BytesIO(answer.content)), expected, rtol=1e-6)
