"""`service.application.catalog`: when the service is ready."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pushforward.service.application.application import Application
from pushforward.service.domain.errors import Unavailable
from tests.apis.fakes import Reach, Workers


async def test_it_is_ready_with_a_live_worker_only(app: Application) -> None:
    assert len(await app.catalog.ready()) == 1
    with pytest.raises(Unavailable):
        await replace(app.catalog, reach=Reach(Workers(alive=False))).ready()
