"""Settings that follow from the machine."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from pushforward.service.settings import Settings, cores


@pytest.fixture
def no_given_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.mark.parametrize("slots", [1, 2, 1000])
def test_threads_share_the_cores_among_all_that_compute_at_once(no_given_threads: None, slots: int) -> None:
    threads = Settings(training_slots=slots).n_torch_threads
    assert threads == max(1, cores() // (slots + 1))
    assert threads == 1 or threads * (slots + 1) <= cores()


def test_threads_keep_to_omp_num_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert Settings().n_torch_threads == 3


def test_a_number_of_threads_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("PUSHFORWARD_TORCH_THREADS", "5")
    assert Settings().n_torch_threads == 5


@pytest.mark.parametrize("value", ["0", "-1", "many", ""])
def test_threads_that_are_no_number_are_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PUSHFORWARD_TORCH_THREADS", value)
    with pytest.raises(ValidationError, match="torch_threads"):
        Settings()


@pytest.mark.parametrize(("limit", "share"), [("max 100000", None), ("50000 100000", 1), ("100000 100000", 1)])
def test_a_container_s_limit_counts_as_its_cores(tmp_path: Path, limit: str, share: int | None) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(f"{limit}\n")
    assert cores(file) == (share or cores(tmp_path / "none"))
