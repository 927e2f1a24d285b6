"""Every family, trained briefly and asked everything through every API, by a real service."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, cast, get_args

import grpc
import numpy as np
import orjson
import pytest
from PIL import Image
from typer.testing import CliRunner

from pushforward.models.data import AutoregressiveProcess, Digits, Toy, TurnedMoons, TwoMoons, UnitCube
from pushforward.models.families import FAMILIES
from pushforward.models.family import Translates
from pushforward.service.cli.app import app
from pushforward.service.client import Client, Refused
from pushforward.service.domain.inference import Op
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.pb import pushforward_pb2_grpc as pb_grpc
from tests.e2e.running import ROOT, Up

SMALL: dict[str, Any] = {
    "width": 8, "depth": 1, "latent": 2, "codes": 3, "noise": 2, "n_transforms": 2, "bins": 4, "steps": 20,
    "density": {"density": "gaussian"},
}  # fmt: skip
UNBOUNDED = {"vae": {"likelihood": {"likelihood": "gaussian"}}}
OWN_SOURCES: dict[str, tuple[str, ...]] = {  # of families that model one kind of data; of captions in test_conditions
    "autoregressive": ("digits",),
    "nis": ("unit_cube",),
    "puzzle_gan": ("digits",),
    "text_to_image": (),
}
KEEPING = {"glann", "ae_ot", "ae_ot_gan"}  # families that keep something of each training row: toys tell a number
TRANSLATING = [name for name, cls in FAMILIES.items() if issubclass(cls, Translates)]
DOMAINS = dict.fromkeys(TRANSLATING, ("turned_moons", "styled_digits"))
SOURCES = ("two_moons", "digits", "autoregressive_process")
CASES = [(family, source) for family in FAMILIES for source in (OWN_SOURCES | DOMAINS).get(family, SOURCES)]
SERIES = AutoregressiveProcess(length=12)
TOYS: dict[str, Toy] = {toy.source: toy for toy in (TwoMoons(), UnitCube(), TurnedMoons(condition="label"), SERIES)}
OPS: tuple[Op, ...] = get_args(Op)


@dataclass
class Trained:
    """A trained model and rows of the kind it was trained on."""

    name: str
    card: dict[str, Any]
    x: np.ndarray


def small(family: str, source: str) -> dict[str, Any]:
    fields = FAMILIES[family].model_fields
    shrunk = {name: value for name, value in SMALL.items() if name in fields}
    return {"family": family, **shrunk, **(UNBOUNDED.get(family, {}) if source in TOYS else {})}


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(case))
def trained(client: Client, request: pytest.FixtureRequest) -> Trained:
    family, source = request.param
    name = f"{family}-{source}"
    data = {"source": source} | ({"n": 64} if family in KEEPING and source in TOYS else {})
    if source == SERIES.source:
        data["length"] = SERIES.length
    if family in TRANSLATING:
        data["condition"] = "label"
    run = {"family": small(family, source), "data": data, "budget": {"steps": 10}, "seed": 1}
    job = client.train(name, run=run)
    events = list(client.watch(job["id"]))
    assert events[-1][0] == "state"
    assert events[-1][1]["state"] == "succeeded", events[-1][1]["error"]
    rows = Digits().rows(ROOT).x if source.endswith("digits") else TOYS[source].draw(8, np.random.default_rng(0))
    return Trained(name, client.get(f"/models/{name}"), rows[:4].astype(np.float32))


@pytest.fixture(scope="module")
def stub(up: Up) -> Iterator[pb_grpc.PushforwardStub]:
    with grpc.insecure_channel(f"127.0.0.1:{up.place.grpc_port}") as channel:
        yield pb_grpc.PushforwardStub(channel)


def tensor(x: np.ndarray) -> pb.Tensor:
    if x.dtype.kind == "U":
        return pb.Tensor(dtype="string", shape=x.shape, strings=x.tolist())
    return pb.Tensor(dtype=str(x.dtype), shape=x.shape, data=x.tobytes())


def array(message: pb.Tensor) -> np.ndarray:
    return np.frombuffer(message.data, message.dtype).reshape(message.shape)


def body(model: Trained, op: Op) -> dict[str, Any]:
    z = np.linspace(-1, 1, 2 * int(np.prod(model.card["latent_shape"] or (1,)))).astype(np.float32)
    rows: dict[Op, dict[str, Any]] = {
        "sample": {"n": 3, "seed": 7},
        "likelihood": {"x": model.x},
        "encode": {"x": model.x},
        "decode": {"z": z.reshape(2, *(model.card["latent_shape"] or (1,)))},
        "reconstruct": {"x": model.x},
        "interpolate": {"start_seed": 1, "end_seed": 2, "steps": 5},
        "complete": {"x": model.x, "mask": np.ones((8, 8), np.float32), "seed": 7},
        "translate": {"x": model.x, "to": np.array([0, 1, 1, 0])},
    }
    return {"model": model.name, **rows[op], **origin(model.card["family"], op)}


def origin(family: str, op: Op) -> dict[str, Any]:
    """The domain that four rows are from, where a family that translates must know it."""
    if family not in TRANSLATING or op not in ("reconstruct", "translate"):
        return {}
    is_told = op == "reconstruct" or cast("type[Translates]", FAMILIES[family]).needs_origin
    return {"condition": np.array([1, 0, 1, 0])} if is_told else {}


def over_grpc(stub: pb_grpc.PushforwardStub, op: Op, request: dict[str, Any]) -> np.ndarray:
    fields = {key: tensor(value) if isinstance(value, np.ndarray) else value for key, value in request.items()}
    request = {
        "sample": pb.SampleRequest, "likelihood": pb.LikelihoodRequest, "encode": pb.EncodeRequest,
        "decode": pb.DecodeRequest, "reconstruct": pb.ReconstructRequest, "interpolate": pb.InterpolateRequest,
        "complete": pb.CompleteRequest,
        "translate": pb.TranslateRequest,
    }[op](**fields)  # fmt: skip
    answer = getattr(stub, op.capitalize())(request)
    if op == "likelihood":
        return np.array(answer.log_prob)
    return array(getattr(answer, field_of(op)))


def field_of(op: Op) -> str:
    return {"sample": "samples", "likelihood": "log_prob", "encode": "z"}.get(op, "x")


@pytest.mark.parametrize("op", OPS)
def test_it_answers_what_it_can_alike_through_every_api_and_refuses_the_rest(
    trained: Trained, client: Client, stub: pb_grpc.PushforwardStub, op: Op
) -> None:
    request = body(trained, op)
    if op not in trained.card["capabilities"]:
        with pytest.raises(Refused) as refused:
            client.ask(op, request)
        assert refused.value.status == 409
        assert all(able in str(refused.value) for able in trained.card["capabilities"])
        with pytest.raises(grpc.RpcError) as failed:
            over_grpc(stub, op, request)
        assert failed.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        return
    answer = client.ask(op, request).json()
    rest = np.array(answer[field_of(op)])
    npy = np.load(BytesIO(client.ask(op, request, accept="application/x-npy").content))
    assert np.isfinite(rest).all()
    assert answer["model"] == f"{trained.name}@1"
    np.testing.assert_allclose(npy, rest, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(over_grpc(stub, op, request), rest, rtol=1e-5, atol=1e-5)
    if op in ("sample", "decode", "reconstruct", "interpolate", "complete", "translate"):
        assert rest.shape[1:] == tuple(trained.card["spec"]["shape"])
        picture = Image.open(BytesIO(client.ask(op, request, accept="image/png").content))
        assert picture.format == "PNG"


def test_the_command_line_completes_what_a_mask_shows(trained: Trained, client: Client, tmp_path: Path) -> None:
    if "complete" not in trained.card["capabilities"]:
        return
    request = body(trained, "complete")
    words = ["complete", trained.name, "--seed", "7"]
    for name in ("x", "mask"):
        np.save(tmp_path / f"{name}.npy", request[name])
        words += [f"--{name}", str(tmp_path / f"{name}.npy")]
    done = CliRunner().invoke(app, words, env={"PUSHFORWARD_URL": client.url})
    assert done.exit_code == 0, done.output
    answered = client.ask("complete", request).json()["x"]
    np.testing.assert_allclose(orjson.loads(done.stdout)["x"], answered, rtol=1e-5, atol=1e-5)


def test_its_samples_do_not_depend_on_how_many_are_drawn(trained: Trained, client: Client) -> None:
    if "sample" not in trained.card["capabilities"]:
        return  # refused, as the table above has seen
    few = client.ask("sample", {"model": trained.name, "n": 2, "seed": 3}).json()["samples"]
    many = client.ask("sample", {"model": trained.name, "n": 9, "seed": 3}).json()["samples"]
    np.testing.assert_allclose(few, many[:2], rtol=1e-4, atol=1e-4)


def test_a_walk_between_data_points_starts_and_ends_at_their_reconstructions(trained: Trained, client: Client) -> None:
    request = {"model": trained.name, "start": trained.x[0], "end": trained.x[1], "steps": 4}
    if not {"reconstruct", "interpolate"} <= set(trained.card["capabilities"]):
        with pytest.raises(Refused) as refused:
            client.ask("interpolate", request)
        assert refused.value.status == 409
        return
    walk = np.array(client.ask("interpolate", request).json()["x"])
    ends = np.array(client.ask("reconstruct", {"model": trained.name, "x": trained.x[:2]}).json()["x"])
    np.testing.assert_allclose(walk[[0, -1]], ends, rtol=1e-3, atol=1e-3)


def test_a_likelihood_says_what_kind_of_number_it_is(trained: Trained, client: Client) -> None:
    if "likelihood" not in trained.card["capabilities"]:
        return  # refused, as the table above has seen
    answer = client.ask("likelihood", {"model": trained.name, "x": trained.x}).json()
    assert answer["unit"] == "nats"
    assert answer["kind"] in ("exact", "lower_bound", "estimate")
    assert answer["std_error"] is None or len(answer["std_error"]) == len(trained.x)
