"""`models.tabular.latent`: a VAE on the rows of a table."""

from __future__ import annotations

import pytest
import torch

from pushforward.models.errors import InvalidData
from pushforward.models.families.vae import VAE
from pushforward.models.form import form_of
from pushforward.models.likelihoods import Bernoulli
from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise import program
from pushforward.models.stepwise.mapping import apply
from pushforward.models.stepwise.sampling import no_condition, sample
from pushforward.models.tabular.latent import LatentForm
from pushforward.models.variational.options import ImportanceOptions
from tests.models.tables.small_tables import LEVELS, ONE_NUMBER, every_row

NAN = float("nan")
SPEC = DataSpec(shape=(2,), table=LEVELS)


def vae() -> LatentForm:
    form = form_of(VAE(latent=2, width=16), SPEC)
    assert isinstance(form, LatentForm)
    return form


def test_probabilities_of_all_rows_add_up_to_one_by_many_draws() -> None:
    form = vae()
    torch.manual_seed(0)
    nets = form.build(SPEC).eval()
    x = every_row(LEVELS, [0.0, 1.0], [*map(float, range(-3, 5)), NAN])
    with torch.no_grad():
        scored = form.log_prob(nets, x, no_condition(x), Noise.rows(0, len(x)), ImportanceOptions(k=1000))
    assert scored.kind == "lower_bound"
    assert float(scored.value.exp().sum()) == pytest.approx(1, abs=0.05)


def test_step_by_step_is_at_once() -> None:
    form = vae()
    nets = form.build(SPEC).eval()
    x = torch.tensor([[0.0, 1.0], [1.0, NAN]], dtype=torch.float64)
    noise, options = Noise.rows(0, 2), ImportanceOptions(k=4, refine=3)
    with torch.no_grad():
        at_once = form.log_prob(nets, x, no_condition(x), noise, options).value
        by_steps = program.run(form.scorer(nets, options), (x, no_condition(x)), noise).value
    torch.testing.assert_close(at_once, by_steps)


def test_codes_and_rows_go_through_the_maps_of_the_service() -> None:
    form = vae()
    nets = form.build(SPEC).eval()
    drawn = sample(form.sampler(nets, form.SampleOptions()), Noise.rows(0, 50))
    LEVELS.check(drawn.numpy())
    with torch.no_grad():
        z = apply(form.encoder(nets, form.EncodeOptions()), drawn, no_condition(drawn))
        x = apply(form.decoder(nets, form.DecodeOptions()), z, no_condition(drawn))
    assert z.shape == (50, 2)
    LEVELS.check(x.numpy())


def test_a_likelihood_of_other_data_is_refused() -> None:
    with pytest.raises(InvalidData, match="leave it out") as refusal:
        form_of(VAE(likelihood=Bernoulli()), DataSpec(shape=(2,), table=ONE_NUMBER))
    assert refusal.value.field == "run.family.likelihood"
