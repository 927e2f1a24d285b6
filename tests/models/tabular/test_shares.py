"""What networks of tables say of their cases is how they differ from their frequencies in training."""

from __future__ import annotations

import pytest
import torch

from pushforward.models.families.autoregressive import Autoregressive
from pushforward.models.families.flow import Flow
from pushforward.models.form import form_of
from pushforward.models.noise import Noise
from pushforward.models.stepwise.sampling import sample
from tests.models.tabular.small_tables import category, number, spec_of, table_of

TABLE = table_of(
    number("r", missing=True, shares=(0.98, 0.02)),
    category("c", 3) | {"shares": (0.9, 0.09, 0.01)},
)
N = 4_000


@pytest.mark.parametrize(
    "family", [Flow(), Autoregressive(), Autoregressive(any_order=True)], ids=["flow", "columns", "any"]
)
def test_networks_that_say_nothing_draw_cases_with_their_shares(family: Flow | Autoregressive) -> None:
    spec = spec_of(TABLE)
    form = form_of(family, spec)
    nets = form.build(spec)
    with torch.no_grad():
        for weight in nets.parameters():
            weight.zero_()
    cells = sample(form.sampler(nets, form.SampleOptions()), Noise.rows(0, N))
    assert float(cells[:, 0].isnan().double().mean()) == pytest.approx(0.02, abs=0.007)
    shares = torch.bincount(cells[:, 1].long(), minlength=3) / N
    assert shares.tolist() == pytest.approx([0.9, 0.09, 0.01], abs=0.015)
