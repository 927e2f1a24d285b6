"""The typed client, with and without asyncio, against a real service: from the data to the answers."""

from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from pushforward import AsyncClient, Client
from pushforward.client.answers import Preview, Samples
from pushforward.client.errors import Invalid, JobFailed, NotFound, RequestTimeout, Unsupported
from tests.e2e.running import Up

BUDGET = {"budget": {"steps": 20, "epochs": None}}
PNG_BEGINS = b"\x89PNG"


@pytest.fixture(scope="module")
def client(up: Up) -> Iterator[Client]:
    with Client(up.place.url) as connected:
        yield connected


@pytest_asyncio.fixture
async def asynchronous(up: Up) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(up.place.url) as connected:
        yield connected


@pytest.fixture(scope="module")
def trained(client: Client, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The job of each model."""
    file = tmp_path_factory.mktemp("data") / "trees.csv"
    lines = [f"{'oak' if i % 3 else 'ash'},{i % 17}.5" for i in range(200)]
    file.write_text("\n".join(["kind,height", *lines]))
    assert client.datasets.put("trees", file, "text/csv").bytes == file.stat().st_size
    table = {"family": {"family": "flow"}, "data": {"source": "table", "dataset": "trees"}, **BUDGET}
    started = {
        "digits": client.train("digits", preset="vae-digits", run=BUDGET),
        "plane": client.train("plane", preset="flow-two-moons", run=BUDGET),
        "steps": client.train("steps", preset="diffusion-two-moons", run=BUDGET),
        "trees": client.train("trees", run=table),
    }
    return {name: client.jobs.wait(job.id, timeout_s=150).id for name, job in started.items()}


@pytest.mark.timeout(300)  # four trainings
def test_a_training_is_planned_watched_and_listed(client: Client, trained: dict[str, str]) -> None:
    plan = client.plan("digits", preset="vae-digits", run=BUDGET)
    assert plan.data["rows"] > 1000
    assert plan.model == "digits"
    events = list(client.jobs.events(trained["digits"]))
    assert {"state", "progress"} <= {event.kind for event in events}
    assert events[-1].data["state"] == "succeeded"
    later = list(client.jobs.events(trained["digits"], after=events[0].id))
    assert [event.id for event in later] == [event.id for event in events[1:]]
    job = client.jobs.get(trained["digits"])
    assert (job.reference, job.is_final, job.preset) == ("digits@1", True, "vae-digits")
    page = client.jobs.list(limit=2)
    assert len(page.items) == 2
    assert page.next is not None
    assert client.jobs.list(limit=2, after=page.next).items[0].id not in {each.id for each in page.items}
    assert {each.model for each in client.jobs.list(model="plane").items} == {"plane"}
    assert any(curve.held_out for curve in client.jobs.losses(trained["digits"]))
    assert client.jobs.draw_losses(trained["digits"]).startswith(PNG_BEGINS)
    assert client.jobs.draw_losses(trained["digits"], svg=True).startswith(b"<svg")


@pytest.mark.usefixtures("trained")
def test_images_are_drawn_scored_encoded_and_walked_between(client: Client) -> None:
    model = client.model("digits")
    assert f"{model}" == "digits@1"
    drawn = model.sample(5, seed=3)
    assert drawn.x is not None
    assert (drawn.x.shape, drawn.seed, drawn.model) == ((5, 1, 8, 8), 3, "digits@1")
    again = model.sample(5)
    repeated = model.sample(5, seed=again.seed)
    assert np.array_equal(again.x, repeated.x)  # type: ignore[arg-type]  # arrays, not None
    told = model.log_prob(drawn.x, seed=1)
    assert (told.log_prob.shape, told.kind, told.unit) == ((5,), "lower_bound", "nats")
    assert told.std_error is not None
    assert "effective_share" in told.terms
    z = model.encode(drawn.x)
    assert z.shape == (5, 8)
    assert model.decode(z).shape == model.reconstruct(drawn.x).shape == drawn.x.shape
    walk = model.interpolate(start_seed=1, end_seed=2, steps=4)
    assert walk.shape == (4, 1, 8, 8)
    assert model.interpolate(drawn.x[0], drawn.x[1], steps=3, path="linear").shape == (3, 1, 8, 8)
    with Image.open(BytesIO(model.draw("sample", n=4, seed=0))) as picture:
        assert picture.width == picture.height


@pytest.mark.usefixtures("trained")
def test_rows_are_scored_against_those_held_out(client: Client) -> None:
    model = client.model("plane@1")
    scores = model.score([[0.0, 1.0], [40.0, -40.0]], false_alarm_rate=0.05)
    assert scores.flagged.tolist() == [False, True]
    assert scores.p_value[1] < scores.p_value[0] <= 1
    assert client.models.histogram("plane").n == scores.held_out_rows
    assert client.models.draw_histogram("plane").startswith(PNG_BEGINS)


@pytest.mark.usefixtures("trained")
def test_a_table_s_rows_are_records(client: Client) -> None:
    model = client.model("trees")
    drawn = model.sample(3, seed=0)
    assert drawn.x is None
    assert drawn.records is not None
    assert all(set(row) == {"kind", "height"} for row in drawn.records)
    assert model.log_prob(records=drawn.records).log_prob.shape == (3,)
    assert model.score(records=[{"kind": "oak", "height": 900.5}], false_alarm_rate=0.1).flagged.tolist() == [True]
    completed = model.complete(records=[{"kind": "ash"}], n=2, seed=1)
    assert isinstance(completed, list)
    assert [row["kind"] for row in completed] == ["ash", "ash"]


@pytest.mark.usefixtures("trained")
def test_a_table_of_many_rows_is_written_to_a_file(client: Client, tmp_path: Path) -> None:
    model = client.model("trees")
    with pytest.raises(ValueError, match="save_samples"):
        model.sample(200_000)
    model.save_samples(tmp_path / "trees.csv", 3000, seed=0)
    lines = (tmp_path / "trees.csv").read_text().splitlines()
    assert (len(lines), lines[0]) == (3001, '"kind","height"')


@pytest.mark.usefixtures("trained")
def test_previews_lead_to_the_sample_of_their_seed(client: Client) -> None:
    model = client.model("steps")
    seen = list(model.previews(3, every=5, seed=2))
    *before, last = seen
    assert before
    assert all(isinstance(each, Preview) for each in before)
    assert isinstance(last, Samples)
    assert np.allclose(last.x, model.sample(3, seed=2).x, atol=1e-5)  # type: ignore[arg-type]  # arrays, not None


@pytest.mark.usefixtures("trained")
def test_samples_are_written_to_files_here_and_by_jobs(client: Client, tmp_path: Path) -> None:
    model = client.model("plane")
    model.save_samples(tmp_path / "here.npy", 1000, seed=4)
    job = client.jobs.wait(model.sample_to_file(1000, seed=4, idempotency_key="thousand").id)
    client.jobs.download(job.id, tmp_path / "there.npy")
    assert np.allclose(np.load(tmp_path / "here.npy"), np.load(tmp_path / "there.npy"), atol=1e-5)
    assert model.sample_to_file(1000, seed=4, idempotency_key="thousand").id == job.id


@pytest.mark.usefixtures("trained")
def test_an_evaluation_leaves_its_report_on_the_card(client: Client) -> None:
    client.jobs.wait(client.evaluate("plane", metrics=["sliced_wasserstein"], n=100).id, timeout_s=120)
    report = client.models.get("plane").evaluation
    assert report is not None
    assert report["n"] == 100


def test_datasets_are_kept_whole(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "points.npy"
    np.save(file, np.arange(40.0).reshape(20, 2))
    first = client.datasets.put("points", file, "application/x-npy")
    assert client.datasets.get("points") == first
    assert client.datasets.outline("points").rows == 20
    client.datasets.download("points", tmp_path / "back.npy")
    assert (tmp_path / "back.npy").read_bytes() == file.read_bytes()
    np.save(file, np.arange(60.0).reshape(30, 2))
    assert client.datasets.put("points", file, "application/x-npy", replaces=first.sha256).sha256 != first.sha256
    assert client.datasets.delete("points")
    assert "points" not in {each.name for each in client.datasets.list()}


@pytest.mark.usefixtures("trained")
def test_refusals_are_errors_of_their_kind(client: Client) -> None:
    with pytest.raises(NotFound, match="nothing-of-this-name"):
        client.model("nothing-of-this-name")
    with pytest.raises(Invalid) as raised:
        client.model("digits").log_prob([[1.0, 2.0]])
    assert raised.value.errors[0].field == "x"
    with pytest.raises(Unsupported, match="answers"):
        client.model("plane").translate([[0.0, 1.0]], to=1)
    with pytest.raises(ValueError, match="give rows"):
        client.model("plane").log_prob()


def test_a_job_that_was_cancelled_is_no_success(client: Client) -> None:
    job = client.train("endless", preset="flow-two-moons", run={"budget": {"steps": 10_000_000}})
    with pytest.raises(RequestTimeout, match="it goes on"):
        client.jobs.wait(job.id, timeout_s=1)
    client.jobs.cancel(job.id)
    with pytest.raises(JobFailed, match="cancelled"):
        client.jobs.wait(job.id, timeout_s=60)


def test_what_there_is_can_be_listed(client: Client) -> None:
    assert client.is_alive()
    assert client.health().workers
    assert "pushforward_" in client.metrics()
    assert {"vae", "flow"} <= {each.family for each in client.families()}
    assert "vae-digits" in {each.name for each in client.presets()}


@pytest.mark.usefixtures("trained")
async def test_the_client_for_asyncio_gives_the_same(client: Client, asynchronous: AsyncClient, tmp_path: Path) -> None:
    model, plain = await asynchronous.model("plane"), client.model("plane")
    drawn = await model.sample(4, seed=9)
    assert np.array_equal(drawn.x, plain.sample(4, seed=9).x)  # type: ignore[arg-type]  # arrays, not None
    told = await model.log_prob(drawn.x)
    assert np.allclose(told.log_prob, plain.log_prob(drawn.x).log_prob, atol=1e-4)
    job = await asynchronous.jobs.wait((await model.sample_to_file(10, seed=1)).id)
    kinds = [event.kind async for event in asynchronous.jobs.events(job.id)]
    assert kinds[-1] == "state"
    await asynchronous.jobs.download(job.id, tmp_path / "ten.npy")
    assert np.load(tmp_path / "ten.npy").shape == (10, 2)
    assert [card.reference for card in await asynchronous.models.list(model="plane")] == ["plane@1"]


@pytest.mark.usefixtures("trained")
def test_a_version_is_deleted(client: Client) -> None:
    client.jobs.wait(client.train("plane", start_from="plane@1", run={"budget": {"steps": 5}}).id, timeout_s=120)
    assert client.models.get("plane").version == 2
    client.models.delete("plane@2")
    assert [card.version for card in client.models.list(model="plane")] == [1]
