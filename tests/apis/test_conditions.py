"""A condition reaches the rows it is of, whatever the form of the ask and of the answer."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import grpc
import httpx
import numpy as np
import orjson
import pytest
from PIL import Image

from pushforward.service.rpc.pb import pushforward_pb2 as pb
from tests.apis.conftest import Apis
from tests.apis.test_both_apis import array, tensor
from tests.apis.test_streams import events_of, rows_of

NPY = {"Accept": "application/x-npy"}
LABELS = np.arange(9) % 2


@pytest.fixture
def shifts(apis: Apis) -> np.ndarray:
    """Where each label moves the data, (2, 2)."""
    return apis.asks.kept["labeled"].nets["shift"].weight.detach().numpy().T


async def sample(apis: Apis, n: int, condition: Any, **headers: str) -> httpx.Response:
    body = {"model": "labeled", "n": n, "seed": 5, "condition": condition}
    answer = await apis.rest.post("/sample", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


async def test_each_row_is_drawn_with_its_own_label(apis: Apis, shifts: np.ndarray) -> None:
    told = (await sample(apis, 9, LABELS.tolist())).json()["samples"]
    plain = (await apis.rest.post("/sample", json={"model": "free", "n": 9, "seed": 5})).json()["samples"]
    np.testing.assert_allclose(told, np.array(plain) + shifts[LABELS], rtol=1e-5, atol=1e-6)


async def test_one_label_for_all_rows_is_that_label_for_each(apis: Apis) -> None:
    for one, each in ((1, [1] * 9), ([0], [0] * 9)):
        samples = [(await sample(apis, 9, label)).json()["samples"] for label in (one, each)]
        np.testing.assert_array_equal(*samples)


async def test_the_parts_of_a_long_sample_take_their_own_conditions(apis: Apis) -> None:
    labels = (np.arange(1200) // 7 % 2).tolist()
    streamed = rows_of(await sample(apis, 1200, labels, **NPY))
    assert apis.asks.begun > 1
    whole = rows_of(await sample(apis, 400, labels[:400], **NPY))
    np.testing.assert_array_equal(streamed[:400], whole)
    request = pb.SampleRequest(model="labeled", n=1200, seed=5, condition=tensor(np.array(labels)))
    parts = [array(part.samples) async for part in apis.stub.SampleStream(request)]
    np.testing.assert_array_equal(np.concatenate(parts), streamed)


async def test_a_stream_with_one_condition_for_all_rows_is_the_same_sample(apis: Apis) -> None:
    np.testing.assert_array_equal(
        rows_of(await sample(apis, 1200, 1, **NPY)), rows_of(await sample(apis, 1200, [1] * 1200, **NPY))
    )


async def test_a_sample_that_is_watched_has_its_condition(apis: Apis) -> None:
    events = events_of(await sample(apis, 2, [0, 1], Accept="text/event-stream"))
    assert events[-1][1]["samples"] == (await sample(apis, 2, [0, 1])).json()["samples"]


async def test_rows_of_several_conditions_are_drawn_as_one_picture(apis: Apis) -> None:
    assert Image.open(BytesIO((await sample(apis, 9, LABELS.tolist(), Accept="image/png")).content)).format == "PNG"


@pytest.mark.parametrize("condition", ["1", "[0, 1]", "[1]"])
async def test_an_npy_body_takes_its_condition_from_the_query(apis: Apis, condition: str) -> None:
    x = np.array([[0.5, 0.25], [1.0, -0.5]], np.float32)
    body = BytesIO()
    np.save(body, x)
    over_query = await apis.rest.post(
        "/encode",
        params={"model": "labeled", "condition": condition},
        content=body.getvalue(),
        headers={"Content-Type": "application/x-npy"},
    )
    inside = {"model": "labeled", "x": x.tolist(), "condition": orjson.loads(condition)}
    assert over_query.json()["z"] == (await apis.rest.post("/encode", json=inside)).json()["z"]


async def test_a_model_that_answers_without_one_answers_with_one_too(apis: Apis, shifts: np.ndarray) -> None:
    asks = [{"model": "free", "n": 1, "seed": 5}, {"model": "free", "n": 1, "seed": 5, "condition": 1}]
    without, told = [np.array((await apis.rest.post("/sample", json=ask)).json()["samples"]) for ask in asks]
    np.testing.assert_allclose(told - without, shifts[[1]], rtol=1e-5, atol=1e-6)


async def test_a_walk_has_the_condition_of_its_ends(apis: Apis) -> None:
    ends = {"model": "labeled", "start": [0.0, 1.0], "end": [1.0, -0.5], "steps": 3, "path": "linear", "condition": 1}
    walked = (await apis.rest.post("/interpolate", json=ends)).json()["x"]
    np.testing.assert_allclose(walked, [[0.0, 1.0], [0.5, 0.25], [1.0, -0.5]], rtol=1e-5, atol=1e-6)


async def test_what_else_is_known_of_each_row_comes_with_its_likelihood(apis: Apis, shifts: np.ndarray) -> None:
    ask = {"model": "labeled", "x": [[0.5, 0.25]], "condition": 1}
    answer = (await apis.rest.post("/likelihood", json=ask)).json()
    np.testing.assert_allclose(answer["terms"]["distance"], [np.linalg.norm([0.5, 0.25] - shifts[1])], rtol=1e-5)
    plain = (await apis.rest.post("/likelihood", json={"model": "moons", "x": [[0.5, 0.25]]})).json()
    assert plain["terms"].keys() == {"effective_share"}  # of the draws of a bound; nothing of the family's own
    npy = await apis.rest.post("/likelihood", json=ask, headers=NPY)
    np.testing.assert_array_equal(np.load(BytesIO(npy.content)), answer["log_prob"])


@pytest.mark.parametrize("condition", ["1", True, None, {"label": 1}, [[1], [1, 2]], [2**70], ["a"]])
async def test_a_condition_that_is_no_number_is_refused(apis: Apis, condition: Any) -> None:
    refused = await apis.rest.post("/sample", json={"model": "labeled", "condition": condition})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "condition"


SEVEN = "a thick slanted seven"


async def drawn(apis: Apis, text: Any, n: int = 2) -> list[Any]:
    body = {"model": "captioned", "n": n, "seed": 5, "condition": {"text": text}}
    answer = await apis.rest.post("/sample", json=body)
    assert answer.status_code == 200, answer.text
    samples: list[Any] = answer.json()["samples"]
    return samples


async def test_an_image_is_of_its_text(apis: Apis) -> None:
    both = await drawn(apis, [SEVEN, "a three"])
    assert both[0] == (await drawn(apis, SEVEN))[0]
    assert both[1] == (await drawn(apis, "a three"))[1] != (await drawn(apis, SEVEN))[1]


@pytest.mark.parametrize("texts", [SEVEN, [SEVEN, "a three"]])
async def test_a_text_over_grpc_is_the_same_text(apis: Apis, texts: str | list[str]) -> None:
    strings, shape = ([texts], []) if isinstance(texts, str) else (texts, [len(texts)])
    told = pb.Tensor(dtype="string", shape=shape, strings=strings)
    reply = await apis.stub.Sample(pb.SampleRequest(model="captioned", n=2, seed=5, condition=told))
    np.testing.assert_array_equal(array(reply.samples), np.float32(await drawn(apis, texts)))


@pytest.mark.parametrize(
    ("model", "condition", "says"),
    [
        ("captioned", {"text": "a b\u00e9b\u00e9"}, "holds the character '\u00e9'; captioned needs a text of 1 to 24"),
        ("captioned", {"text": "a very very thick slanted seven"}, "has 31 characters; captioned needs a text of 1 to"),
        ("captioned", {"text": ""}, "captioned needs a text of 1 to 24 characters"),
        ("captioned", {"text": ["a one", "a two", "a three"]}, "has 3 rows where the answer has 1"),
        ("captioned", {"text": []}, "must be a text, or a list of texts"),
        ("captioned", {"text": [1]}, "must be a text, or a list of texts"),
        ("captioned", {"text": SEVEN, "words": 3}, "is not a text; captioned needs a text"),
        ("captioned", 7, "is not a text; captioned needs a text"),
        ("captioned", None, "is missing; captioned needs a text"),
        ("labeled", {"text": "one"}, "is a text; labeled needs a label, 0 to 1"),
        ("measured", {"text": "one"}, "is a text; measured needs a vector of 3 finite numbers"),
        ("moons", {"text": "one"}, "moons takes none"),
    ],
)
async def test_a_text_that_does_not_fit_is_refused_by_name(apis: Apis, model: str, condition: Any, says: str) -> None:
    refused = await apis.rest.post("/sample", json={"model": model, "condition": condition})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "condition"
    assert says in refused.json()["errors"][0]["message"]


@pytest.mark.parametrize(("shape", "strings"), [([2], ["one"]), ([], []), ([1, 1], ["one"]), ([-1], ["one"])])
async def test_texts_that_are_not_what_their_shape_promises_are_refused(
    apis: Apis, shape: list[int], strings: list[str]
) -> None:
    told = pb.Tensor(dtype="string", shape=shape, strings=strings)
    with pytest.raises(grpc.aio.AioRpcError, match=r"condition.strings: holds \d texts; give shape \[\] for one"):
        await apis.stub.Sample(pb.SampleRequest(model="captioned", condition=told))


async def test_a_text_among_the_rows_of_data_is_refused(apis: Apis) -> None:
    told = pb.Tensor(dtype="string", shape=[1], strings=["one"])
    with pytest.raises(grpc.aio.AioRpcError, match="x: "):
        await apis.stub.Encode(pb.EncodeRequest(model="moons", x=told))


def strings(names: str | list[str]) -> pb.Tensor:
    """Names of labels, or texts, as a tensor."""
    one = isinstance(names, str)
    return pb.Tensor(dtype="string", shape=[] if one else [len(names)], strings=[names] if one else names)


@pytest.mark.parametrize(("names", "labels"), [("lower", 1), (["lower"], [1]), (["lower", "upper"], [1, 0])])
async def test_a_label_is_asked_for_by_its_name_as_by_its_number(apis: Apis, names: Any, labels: Any) -> None:
    for op, body in (("sample", {"n": 2, "seed": 5}), ("encode", {"x": [[0.5, 0.25], [1.0, -0.5]]})):
        answers = [
            (await apis.rest.post(f"/{op}", json={"model": "named", **body, "condition": told})).json()
            for told in (labels, names, {"text": names})
        ]
        field = "samples" if op == "sample" else "z"
        assert answers[0][field] == answers[1][field] == answers[2][field]
    over_grpc = [
        array((await apis.stub.Sample(pb.SampleRequest(model="named", n=2, seed=5, condition=told))).samples)
        for told in (tensor(np.array(labels)), strings(names))
    ]
    np.testing.assert_array_equal(*over_grpc)


async def test_an_npy_body_takes_the_name_of_its_label_from_the_query(apis: Apis) -> None:
    body = BytesIO()
    np.save(body, np.array([[0.5, 0.25]], np.float32))
    answers = [
        await apis.rest.post(
            "/encode",
            params={"model": "named", "condition": condition},
            content=body.getvalue(),
            headers={"Content-Type": "application/x-npy"},
        )
        for condition in ('"lower"', "1")
    ]
    assert answers[0].json()["z"] == answers[1].json()["z"]


async def test_rows_are_translated_to_a_domain_by_its_name(apis: Apis) -> None:
    ask = {"model": "named-both-ways", "x": [[0.0, 1.0], [0.5, 0.25]]}
    asks = [{"to": "lower", "condition": "upper"}, {"to": 1, "condition": 0}, {"to": ["lower"], "condition": ["upper"]}]
    named, numbered, listed = [(await apis.rest.post("/translate", json=ask | told)).json() for told in asks]
    assert named["x"] == numbered["x"] == listed["x"]
    assert named["to"] == [1, 1]
    request = pb.TranslateRequest(
        model="named-both-ways", x=tensor(np.float32(ask["x"])), to=strings("lower"), condition=strings("upper")
    )
    np.testing.assert_array_equal(array((await apis.stub.Translate(request)).x), np.float32(named["x"]))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"model": "named", "x": [[0.5, 0.25]], "condition": "left"}, "condition"),
        ({"model": "named-both-ways", "x": [[0.5, 0.25]], "to": "left", "condition": "upper"}, "to"),
    ],
)
async def test_a_name_that_no_label_has_is_refused_with_those_that_have_one(
    apis: Apis, body: dict[str, Any], field: str
) -> None:
    refused = await apis.rest.post("/translate" if "to" in body else "/encode", json=body)
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["field"] == field
    assert "holds 'left', and no label has this name" in error["message"]
    assert "needs a label, 0 to 1 or its name (0 upper, 1 lower)" in error["message"]
