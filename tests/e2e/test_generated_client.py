"""A client that openapi-python-client makes of docs/openapi.json sends a run of one's own and reads the answers."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pushforward.service.client import Client
from tests.e2e.running import ROOT, Up

NAME = "pushforward_generated_client"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    folder = tmp_path_factory.mktemp("generated")
    (folder / "config.yml").write_text(f"package_name_override: {NAME}\npost_hooks: []\n")
    made = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "openapi-python-client"), "generate", "--meta", "none"),
            *("--path", str(ROOT / "docs/openapi.json"), "--config", "config.yml"),
            *("--output-path", str(folder / NAME)),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    lost = [line for line in made.stdout.splitlines() if "Unable" in line or "removal" in line]
    assert lost == []
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(NAME)
    finally:
        sys.path.remove(str(folder))


@pytest.fixture
def ours(generated: ModuleType, up: Up) -> Iterator[Any]:
    """A generated client of the service."""
    with generated.Client(base_url=up.place.url) as connected:
        yield connected


def test_a_generated_client_trains_a_run_of_ones_own_and_samples(ours: Any, client: Client) -> None:
    models = importlib.import_module(f"{NAME}.models")
    train = importlib.import_module(f"{NAME}.api.jobs.train")
    sample = importlib.import_module(f"{NAME}.api.asks.sample")
    run = models.Run(
        family=models.VAE(family="vae", latent=2, width=16, likelihood=models.Gaussian(likelihood="gaussian")),
        data=models.TwoMoons(source="two_moons", noise=0.2),
        optimizer=models.Adam(lr=3e-3),
        budget=models.Budget(steps=20),
        seed=7,
    )
    job = train.sync(client=ours, body=models.Train(model="generated", run=run))
    assert isinstance(job, models.Job)
    assert job.run.to_dict()["data"]["noise"] == 0.2
    assert job.run.to_dict()["seed"] == 7
    assert [data["state"] for kind, data in client.watch(job.id) if kind == "state"][-1] == "succeeded"
    drawn = sample.sync(client=ours, body=models.Sample(model="generated", n=3, seed=1))
    assert isinstance(drawn, models.SamplesBody)
    assert len(drawn.samples) == 3


def test_a_generated_client_changes_fields_of_a_preset(ours: Any, client: Client) -> None:
    models = importlib.import_module(f"{NAME}.models")
    train = importlib.import_module(f"{NAME}.api.jobs.train")
    changes = models.RunChanges.from_dict({"family": {"latent": 3}, "budget": {"steps": 5}})
    body = models.TrainPreset(model="changed", preset="vae-digits", run=changes)
    job = train.sync(client=ours, body=body)
    client.cancel(job.id)
    assert job.run.to_dict()["family"]["latent"] == 3
