"""`service.application.application`: in which form a sample is delivered is decided once, for all APIs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pushforward.models.data import TwoMoons
from pushforward.service.application.application import REPLY_ROWS, Application
from pushforward.service.application.commands.commands import Sample
from pushforward.service.application.delivery import Delivery, Form
from pushforward.service.application.results import SampleResult, SampleStream
from pushforward.service.domain.errors import Invalid
from pushforward.service.domain.inference import InferenceRequest, Reply
from pushforward.service.domain.jobs import Job
from pushforward.service.settings import Settings
from tests.apis.fakes import MOONS, application, card
from tests.service.application.conftest import Recorded

LONG = 300  # rows, of which one part holds 100
KEYED: Delivery[Job] = Delivery(Form.JOB, idempotency_key="k")


class Zeros(Recorded):
    """Replies with as many rows as are requested."""

    async def ask(self, request: InferenceRequest, *, timeout_s: float) -> Reply:
        self.arrays = {"samples": np.zeros((request.rows, 2), np.float32)}
        return await super().ask(request, timeout_s=timeout_s)


@pytest.fixture
def asks() -> Zeros:
    return Zeros()


@pytest.fixture
def app(asks: Zeros) -> Application:
    settings = Settings(max_rows=100, max_stream_rows=1000)
    return application(settings, [card("moons", MOONS, TwoMoons().spec)], asks)


@pytest.mark.parametrize(
    ("form", "fields", "delivered"),
    [
        (Form.REPLY, {"n": 100}, SampleResult),
        (Form.ARRAY, {"n": REPLY_ROWS}, SampleResult),
        (Form.ARRAY, {"n": REPLY_ROWS + 1}, SampleResult),  # they fit into one part
        (Form.ARRAY, {"n": LONG}, SampleStream),
        (Form.MESSAGES, {"n": 1}, SampleStream),
        (Form.MESSAGES, {"n": LONG}, SampleStream),
        (Form.MESSAGES, {"n": 2, "preview_every": 1}, SampleStream),
        (Form.EVENTS, {"n": 2}, SampleStream),
        (Form.JOB, {"n": 1}, Job),
        (Form.JOB, {"n": 2000}, Job),
    ],
)
async def test_a_form_gives_a_result_a_stream_or_a_job(
    app: Application, form: Form, fields: dict[str, Any], delivered: type[object]
) -> None:
    sample: object = await app.sample(Sample(model="moons", **fields), Delivery(form))
    assert isinstance(sample, delivered)
    if isinstance(sample, SampleStream):
        assert sum([len(item.samples) async for item in sample.items()]) == fields["n"]


@pytest.mark.parametrize("form", [Form.REPLY, Form.ARRAY, Form.EVENTS])
async def test_more_rows_than_a_stream_may_have_become_a_job_where_the_api_allows_it(
    app: Application, form: Form
) -> None:
    large = Sample(model="moons", n=1001)
    assert isinstance(await app.sample(large, Delivery(form, large_as_job=True)), Job)
    with pytest.raises(Invalid):
        await app.sample(large, Delivery(form))


async def test_a_large_sample_with_previews_is_refused_and_not_made_a_job(app: Application) -> None:
    with pytest.raises(Invalid, match="at most 64 with preview_every"):
        await app.sample(Sample(model="moons", n=1001, preview_every=1), Delivery(Form.EVENTS, large_as_job=True))


async def test_the_time_limit_of_the_api_and_the_key_of_a_job_are_passed_on(app: Application, asks: Zeros) -> None:
    await app.sample(Sample(model="moons"), Delivery(Form.REPLY, timeout_s=2.0))
    assert [timeout_s for _, timeout_s in asks.requests] == [2.0]
    first, again = [await app.sample(Sample(model="moons", seed=1), KEYED) for _ in range(2)]
    assert first.id == again.id
