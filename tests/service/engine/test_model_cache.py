import shutil
import threading
from pathlib import Path

import pytest
import torch

from pushforward.service.domain.errors import Failed, NotFound
from pushforward.service.engine.model_cache import ModelCache
from tests.service.engine.engines import held
from tests.service.models_on_disk import put_model

CPU = torch.device("cpu")


def of_one_model(store: Path, reference: str) -> int:
    model_cache = ModelCache(store, CPU, 2**30)
    with held(model_cache, reference):
        return model_cache.n_bytes


def test_the_least_recently_asked_leaves_when_the_budget_is_passed(tmp_path: Path):
    for name in ("a@1", "b@1", "c@1"):
        put_model(tmp_path, name)
    model_cache = ModelCache(tmp_path, CPU, 2 * of_one_model(tmp_path, "a@1"))
    for name in ("a@1", "b@1", "a@1", "c@1"):
        with held(model_cache, name):
            pass
    assert model_cache.references == ("a@1", "c@1")


def test_a_model_in_use_stays_beyond_the_budget(tmp_path: Path):
    put_model(tmp_path, "a@1")
    put_model(tmp_path, "b@1")
    model_cache = ModelCache(tmp_path, CPU, 1)
    with held(model_cache, "a@1") as first:
        with held(model_cache, "b@1"):
            assert model_cache.references == ("a@1", "b@1")
        with held(model_cache, "a@1") as again:
            assert again is first
    assert model_cache.references == ()


def test_threads_that_ask_together_share_one_load(tmp_path: Path):
    put_model(tmp_path)
    model_cache = ModelCache(tmp_path, CPU, 2**30)
    start, models = threading.Barrier(8), []

    def ask() -> None:
        start.wait()
        with held(model_cache, "moons@1") as model:
            models.append(model)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(models) == 8
    assert all(model is models[0] for model in models)


def test_a_version_that_is_gone_is_refused_and_let_go(tmp_path: Path):
    folder = put_model(tmp_path)
    model_cache = ModelCache(tmp_path, CPU, 2**30)
    with held(model_cache, "moons@1"):
        pass
    shutil.rmtree(folder)
    with pytest.raises(NotFound, match="moons@1 is gone"), held(model_cache, "moons@1"):
        pass
    assert model_cache.references == ()


def test_a_version_made_anew_is_loaded_anew(tmp_path: Path):
    folder = put_model(tmp_path)
    model_cache = ModelCache(tmp_path, CPU, 2**30)
    with held(model_cache, "moons@1") as model:
        before = model.card.weights_sha256
    shutil.rmtree(folder)
    put_model(tmp_path, seed=1)
    with held(model_cache, "moons@1") as model:
        assert model.card.weights_sha256 != before


def test_altered_weights_are_refused(tmp_path: Path):
    weights = put_model(tmp_path) / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(Failed, match="altered"), held(ModelCache(tmp_path, CPU, 2**30), "moons@1"):
        pass
