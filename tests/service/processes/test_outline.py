"""`service.processes.outline`: what files hold is told by a child, whatever becomes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pushforward.models.data import Npy, Series, TableFile
from pushforward.models.errors import InvalidData
from pushforward.service.processes import outline as outlines
from pushforward.service.processes.outline import outline
from tests.models.data.tables.real_tables import put


async def test_a_table_is_outlined_as_its_source_does_with_reasons(tmp_path: Path):
    source = TableFile(path=put("penguins.csv", tmp_path))
    told = await outline(source, tmp_path)
    assert told.spec == source.outline(tmp_path)
    assert told.reasons["body_mass_g"] == "integers"
    assert told.reasons.keys() == {column.name for column in told.spec.table.columns}  # type: ignore[union-attr]


async def test_other_sources_need_no_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    np.save(tmp_path / "x.npy", np.zeros((20, 2), np.float32))
    monkeypatch.setattr(outlines, "_of_child", None)
    assert (await outline(Npy(path="x.npy"), tmp_path)).spec.shape == (2,)


async def test_a_series_of_a_table_is_outlined_by_a_child_and_one_of_an_array_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "x.csv").write_text("a,b\n" + "1,2\n3,5\n" * 50)
    np.save(tmp_path / "x.npy", np.zeros(100))
    source = Series(path="x.csv", length=10)
    told = await outline(source, tmp_path)
    assert told.spec == source.outline(tmp_path)
    assert told.reasons == {}
    monkeypatch.setattr(outlines, "_of_child", None)
    assert (await outline(Series(path="x.npy", length=10), tmp_path)).spec.shape == (1, 10)


async def test_a_refusal_of_the_child_is_its_own(tmp_path: Path):
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n3\n" + "4,5\n" * 20)
    with pytest.raises(InvalidData, match="Expected 2 columns, got 1") as refusal:
        await outline(TableFile(path="bad.csv"), tmp_path)
    assert refusal.value.field == "path"


async def test_a_child_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(outlines, "OUTLINE_S", 0.05)
    with pytest.raises(InvalidData, match="takes longer than"):
        await outline(TableFile(path=put("penguins.csv", tmp_path)), tmp_path)


async def test_a_child_that_crashes_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(outlines, "tied_to_parent", lambda _: ["sh", "-c", "kill -SEGV $$"])
    with pytest.raises(InvalidData, match="its reader ended"):
        await outline(TableFile(path=put("penguins.csv", tmp_path)), tmp_path)
