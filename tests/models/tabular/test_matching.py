"""Flow matching on the rows of a table."""

from typing import Any

import pytest
import torch

from pushforward.models.capabilities import capabilities
from pushforward.models.families.flow_matching import FlowMatching
from pushforward.models.family import reconstruct
from pushforward.models.flows.options import MatchingSampleOptions
from pushforward.models.form import form_of
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.stepwise.sampling import no_condition, sample
from tests.models.tabular.small_tables import category, mixed, number, spec_of, table_of, trained


@pytest.fixture(scope="module")
def of_mixed() -> tuple[Any, Nets]:
    return trained(FlowMatching(width=32), table_of(category("c", 2), number("r", missing=True)), mixed, steps=800)


def test_missing_cells_come_in_proportion_and_numbers_where_their_category_has_them(of_mixed: tuple[Any, Nets]) -> None:
    form, nets = of_mixed
    x = sample(form.sampler(nets, MatchingSampleOptions()), Noise.rows(0, 4000))
    form.table.check(x.numpy())
    for c in (0, 1):
        r = x[x[:, 0] == c, 1]
        assert abs(len(r) / len(x) - 0.5) < 0.05
        assert abs(float(r.isnan().double().mean()) - (0.1 + 0.4 * c)) < 0.07
        assert abs(float(r[~r.isnan()].mean()) - 4 * c) < 0.4


def test_a_code_leads_back_to_its_row(of_mixed: tuple[Any, Nets]) -> None:
    form, nets = of_mixed
    x = mixed(64, torch.Generator().manual_seed(1))
    again = reconstruct(form, nets, x, no_condition(x))
    assert torch.equal(again[:, 0], x[:, 0])
    torch.testing.assert_close(again, x, atol=0.2, rtol=0, equal_nan=True)
    assert form.encode(nets, x, no_condition(x)).shape == (64, *form.latent_shape(spec_of(form.table)))


def test_numbers_on_a_grid_are_drawn_on_it() -> None:
    table = table_of(number("r", step=1.0), category("c", 2))
    form = form_of(FlowMatching(width=8, depth=1), spec_of(table))
    nets = form.build(spec_of(table))
    table.check(sample(form.sampler(nets, MatchingSampleOptions()), Noise.rows(0, 100)).numpy())  # type: ignore[attr-defined]


def test_a_row_is_drawn_alone_as_in_a_batch(of_mixed: tuple[Any, Nets]) -> None:
    form, nets = of_mixed
    of, noise = form.sampler(nets, MatchingSampleOptions(steps=4)), Noise.rows(5, 6)
    torch.testing.assert_close(sample(of, noise)[2:3].float(), sample(of, noise[2:3]).float(), equal_nan=True)


def test_it_has_no_likelihood_and_says_why() -> None:
    form = form_of(FlowMatching(), spec_of(table_of(category("a", 2))))
    assert "likelihood" not in capabilities(form)
    assert {"sample", "encode", "decode"} <= set(capabilities(form))
    assert any("no likelihood" in note for note in form.notes)
