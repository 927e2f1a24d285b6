"""The conformance suite: what every family promises, for every family there is, on vectors, images and series.

A new file in `models/families` is tested because it exists.
"""

import copy
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from pushforward.models.capabilities import capabilities
from pushforward.models.config.config import Options
from pushforward.models.errors import InvalidData
from pushforward.models.evaluation import samples
from pushforward.models.evaluation.held_out import evaluate
from pushforward.models.families import FAMILIES
from pushforward.models.family import (
    Completes,
    Conditions,
    Decodes,
    Encodes,
    Samples,
    Scores,
    Translates,
    reconstruct,
)
from pushforward.models.noise import Noise
from pushforward.models.run import Run
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.spec.text import Text
from pushforward.models.stepwise.mapping import Reconstruction, RowMap, apply
from pushforward.models.stepwise.program import run as run_program
from pushforward.models.stepwise.sampling import Sampler, sample
from pushforward.models.storage.model import load_model
from pushforward.models.training.batches import batches
from pushforward.models.training.checkpoint import latest_state, save_model, save_state
from pushforward.models.training.curve import keeps_best
from pushforward.models.training.data import TrainingData, conditions, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.reports import views
from pushforward.models.training.reports.views import Making
from pushforward.models.training.state import TrainingState, fresh

CPU = torch.device("cpu")
SMALL = {
    "width": 8,
    "depth": 1,
    "latent": 2,
    "n_transforms": 2,
    "steps": 50,
    "critic_steps": 2,
    "density": {"density": "gaussian"},
    "codes": 3,
    "noise": 2,
    "categories": 4,
    "pool": 4,
}
SMALL_OPTIONS = {"k": 3, "steps": 4, "draws": 1}
SOURCES = ("two_moons", "digits", "autoregressive_process")
DRAWN = ("two_moons", "autoregressive_process")  # continuous and without end
OWN_SOURCES = {  # of families that model one kind of data
    "autoregressive": ("digits",),
    "nis": ("unit_cube",),
    "puzzle_gan": ("digits",),
    "text_to_image": ("captioned_digits",),
}
NEEDS_A_CONDITION = {"text_to_image"}
KEEPING = {"glann", "ae_ot", "ae_ot_gan"}  # families that keep something of each training row: toys tell a number
DOMAINS = ("turned_moons", "styled_digits")  # of families that translate
STEPS = 4


def sources(name: str) -> tuple[str, ...]:
    """The data a family is tried on."""
    return OWN_SOURCES.get(name, DOMAINS if translates(name) else SOURCES)


def translates(name: str) -> bool:
    """Whether it cannot do without a condition."""
    return issubclass(FAMILIES[name], Translates)


def small(name: str, source: str, *, told: bool = False) -> Run:
    """A run of the family that takes a moment; `told` the label of each row."""
    cls = FAMILIES[name]
    family: dict[str, Any] = {"family": name} | {k: v for k, v in SMALL.items() if k in cls.model_fields}
    if "likelihood" in cls.model_fields and source in DRAWN:
        family["likelihood"] = {"likelihood": "gaussian"}
    sized = {"length": 12} if source == "autoregressive_process" else {}
    condition = "text" if source == "captioned_digits" else "label"
    numbered = {"n": 64} if name in KEEPING and source in DRAWN else {}
    return Run.model_validate({
        "family": family,
        "data": {"source": source, "condition": condition if told else None} | numbered | sized,
        "optimizer": {"batch_size": 16, "ema": 0.9},
        "budget": {"steps": STEPS},
    })  # fmt: skip


def small_options(cls: type[Options]) -> Options:
    return cls.model_validate({k: v for k, v in SMALL_OPTIONS.items() if k in cls.model_fields})


@dataclass(frozen=True)
class Case:
    """A family trained for a few steps."""

    run: Run
    data: TrainingData
    state: TrainingState
    initial: TrainingState

    @property
    def x(self) -> Tensor:
        return torch.from_numpy(self.data.validation.x[:5].astype(np.float32))

    @property
    def c(self) -> Tensor:
        return self.told(5)

    def told(self, n: int) -> Tensor:
        """Conditions of n rows, (n, C)."""
        rows = self.data.validation.of(np.arange(n))
        return conditions(self.data, rows, CPU)

    def sampler(self) -> Sampler:
        assert isinstance(self.run.family, Samples)
        return self.run.family.sampler(self.state.average, small_options(self.run.family.SampleOptions))


CASES = [
    (name, source, "")
    for name in FAMILIES
    if name not in NEEDS_A_CONDITION and not translates(name)
    for source in sources(name)
] + [
    (name, source, "told") for name, cls in FAMILIES.items() if issubclass(cls, Conditions) for source in sources(name)
]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(filter(None, case)))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    name, source, told = request.param
    run = small(name, source, told=bool(told))
    data = load_data(run, tmp_path_factory.getbasetemp())
    state = fresh(run, data, CPU)
    initial = copy.deepcopy(state)
    for _ in train(data, state):
        pass
    return Case(run, data, state, initial)


def tensors(state: TrainingState) -> dict[str, Tensor]:
    """Everything that training moves."""
    found = {f"nets.{k}": v for k, v in state.nets.state_dict().items()}
    found |= {f"average.{k}": v for k, v in state.average.state_dict().items()}
    for loss, adam in state.optimizers.items():
        for i in range(len(adam.weights)):
            found |= {f"{loss}.{i}.{k}": v for k, v in adam.memory(i).items()}
    return found


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []


def test_a_loss_reaches_every_weight_it_trains(case: Case) -> None:
    nets = case.initial.nets
    batch = next(batches(case.data, copy.deepcopy(case.initial)))
    seen = 0
    for loss in case.run.family.losses(nets, batch):
        weights = [p for name in loss.trains for p in nets[name].parameters()]
        gradients = torch.autograd.grad(loss.value, weights)
        assert loss.value.shape == ()
        assert all(g.isfinite().all() for g in gradients)
        assert any(g.abs().max() > 0 for g in gradients)
        assert all(term.shape == () for term in loss.terms.values())
        seen += 1
    assert seen > 0


def test_training_moves_the_networks_that_losses_train_and_no_others(case: Case) -> None:
    nets = copy.deepcopy(case.initial.nets)
    batch = next(batches(case.data, copy.deepcopy(case.initial)))
    trained = {name for loss in case.run.family.losses(nets, batch) for name in loss.trains}
    before, after = case.initial.nets, case.state.nets
    moved = {
        name
        for name in before
        if any(not torch.equal(p, q) for p, q in zip(before[name].parameters(), after[name].parameters(), strict=True))
    }
    assert moved == trained


@pytest.mark.parametrize("name", FAMILIES)
def test_every_network_of_a_family_is_trained_by_some_loss(name: str, tmp_path: Path) -> None:
    built, trained = set(), set()
    for source in sources(name):
        run = small(name, source, told=name in NEEDS_A_CONDITION or translates(name))
        data = load_data(run, tmp_path)
        state = fresh(run, data, CPU)
        built |= {net for net in state.nets if any(True for _ in state.nets[net].parameters())}
        for loss in run.family.losses(state.nets, next(batches(data, state))):
            trained |= set(loss.trains)
    assert trained == built


def test_the_same_run_gives_the_same_weights_also_when_it_is_looked_at(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, few in (("CELLS", 4), ("FEW_CELLS", 4), ("POINTS", 8), ("SAMPLES", 2), ("PAIRS", 2)):
        monkeypatch.setattr(views, name, few)
    again = fresh(case.run, case.data, CPU)
    makers: dict[str, Callable[[TrainingData, TrainingState], Making[Any]]] = {
        "samples": views.samples,
        "reconstructions": views.reconstructions,
        "density": views.density,
    }
    for _ in train(case.data, again):
        if again.step == STEPS // 2:
            for what in views.views(again.family, case.data.spec):
                deque(makers[what](case.data, again), maxlen=0)
    assert_same(tensors(again), tensors(case.state))


def test_resuming_equals_never_having_stopped_bit_for_bit(case: Case, tmp_path: Path) -> None:
    half = fresh(case.run, case.data, CPU)
    for _ in islice(train(case.data, half), STEPS // 2):
        pass
    save_state(tmp_path, half)
    resumed = latest_state(tmp_path, case.data, case.run, CPU)
    assert resumed is not None
    assert resumed.step == STEPS // 2
    assert_same(tensors(resumed), tensors(half))
    for _ in train(case.data, resumed):
        pass
    assert_same(tensors(resumed), tensors(case.state))
    assert resumed.losses.keys() == case.state.losses.keys()
    assert all(torch.equal(resumed.losses[name], case.state.losses[name]) for name in resumed.losses)


def test_a_loaded_model_is_the_average_and_answers_the_same(case: Case, tmp_path: Path) -> None:
    """T81: fixed seed, identical samples across save and load; the averaged weights are the ones served."""
    save_model(tmp_path, case.state, {}, case.data.fingerprint)
    model = load_model(tmp_path, CPU)
    assert_same(model.nets.state_dict(), case.state.average.state_dict())
    assert any(
        not torch.equal(a, b) for a, b in zip(case.state.nets.parameters(), model.nets.parameters(), strict=True)
    )
    assert not model.nets.training
    assert not any(p.requires_grad for p in model.nets.parameters())
    assert model.card.capabilities == capabilities(case.run.family)
    noise = Noise.rows(7, 3)
    if isinstance(model.family, Samples):
        again = model.family.sampler(model.nets, small_options(model.family.SampleOptions))
        assert torch.equal(sample(again, noise, case.told(3)), sample(case.sampler(), noise, case.told(3)))
    if isinstance(model.family, Encodes):
        z = model.family.encode(model.nets, case.x, case.c)
        assert torch.equal(z, model.family.encode(case.state.average, case.x, case.c))
    if isinstance(model.family, Translates):
        there = reconstruct(model.family, model.nets, case.x, case.c)
        assert torch.equal(there, reconstruct(model.family, case.state.average, case.x, case.c))


def test_samples_do_not_depend_on_batch_chunk_or_batch_mates(case: Case) -> None:
    """T81: fixed seed, identical samples across batch splits."""
    if not isinstance(case.run.family, Samples):
        return
    sampler, spec, c = case.sampler(), case.data.spec, case.told(6)
    noise = Noise.rows(7, 6)
    whole = sample(sampler, noise, c)
    chunks = torch.cat([sample(sampler, noise[a:b], c[a:b]) for a, b in ((0, 1), (1, 4), (4, 6))])
    mates = sample(sampler, Noise.join([Noise.rows(8, 3), noise]), torch.cat([case.told(3), c]))[3:]
    scale = max(spec.scale)
    for other in (chunks, mates):
        assert torch.allclose(whole, other, rtol=1e-4, atol=1e-4 * scale)
        if spec.levels is not None:
            assert torch.equal(spec.quantize(whole), spec.quantize(other))
    assert whole.shape == (6, *spec.shape)
    assert whole.isfinite().all()
    assert not torch.equal(whole, sample(sampler, Noise.rows(8, 6), c))
    assert not torch.equal(whole[0], whole[1])


def test_rows_that_stand_at_different_steps_share_a_call(case: Case) -> None:
    if not isinstance(case.run.family, Samples):
        return
    sampler, c = case.sampler(), case.told(2)
    early, late = Noise.rows(1, 2), Noise.rows(2, 2)
    ahead = sampler.steps // 2
    state = sampler.init((c,), early)
    for k in range(ahead):
        state = sampler.step(state, torch.full((2,), k), early)
    both = Noise.join([early, late])
    state = tuple(map(torch.cat, zip(state, sampler.init((c,), late), strict=True)))
    for k in range(sampler.steps - ahead):
        state = sampler.step(state, torch.tensor([k + ahead, k + ahead, k, k]), both)
    finished, rest = tuple(part[:2] for part in state), tuple(part[2:] for part in state)
    for k in range(sampler.steps - ahead, sampler.steps):
        rest = sampler.step(rest, torch.full((2,), k), late)
    together = torch.cat([sampler.finish(finished, early), sampler.finish(rest, late)])
    alone = torch.cat([sample(sampler, early, c), sample(sampler, late, c)])
    assert torch.allclose(together, alone, rtol=1e-4, atol=1e-4 * max(case.data.spec.scale))


def test_codes_and_data_that_stand_at_different_steps_share_a_call(case: Case) -> None:
    family, nets, spec = case.run.family, case.state.average, case.data.spec
    maps = list[tuple[RowMap, Tensor]]()
    if isinstance(family, Encodes):
        maps.append((family.encoder(nets, small_options(family.EncodeOptions)), case.x[:4]))
    if isinstance(family, Decodes):
        z = family.prior(nets, Noise.rows(5, 4), case.told(4))
        maps.append((family.decoder(nets, small_options(family.DecodeOptions)), z))
    if isinstance(family, Encodes) and isinstance(family, Decodes):
        maps.append((Reconstruction(maps[0][0], maps[1][0], family.latent_shape(spec)), case.x[:4]))
    noise = Noise.rows(0, 4)
    for row_map, rows in maps:
        whole, c = apply(row_map, rows, case.told(4)), case.told(4)
        state, ahead = row_map.init((rows[:2], c[:2]), noise[:2]), row_map.steps // 2
        for k in range(ahead):
            state = row_map.step(state, torch.full((2,), k), noise[:2])
        state = tuple(map(torch.cat, zip(state, row_map.init((rows[2:], c[2:]), noise[2:]), strict=True)))
        for k in range(row_map.steps - ahead):
            state = row_map.step(state, torch.tensor([k + ahead, k + ahead, k, k]), noise)
        first, rest = tuple(part[:2] for part in state), tuple(part[2:] for part in state)
        for k in range(row_map.steps - ahead, row_map.steps):
            rest = row_map.step(rest, torch.full((2,), k), noise[2:])
        parts = torch.cat([row_map.finish(first, noise[:2]), row_map.finish(rest, noise[2:])])
        assert torch.allclose(parts, whole, rtol=1e-4, atol=1e-4 * max(spec.scale))


def test_a_family_that_scores_says_what_kind_of_number_it_gives(case: Case) -> None:
    family = case.run.family
    assert ("likelihood" in capabilities(family)) == isinstance(family, Scores)
    if isinstance(family, Scores):
        options, noise, nets = small_options(family.ScoreOptions), Noise.rows(3, 5), case.state.average
        whole = family.log_prob(nets, case.x, case.c, noise, options)
        rows = [slice(i, i + 1) for i in range(5)]
        parts = [family.log_prob(nets, case.x[i], case.c[i], noise[i], options) for i in rows]
        assert whole.kind in ("exact", "lower_bound", "estimate")
        assert whole.value.shape == (5,)
        assert whole.value.isfinite().all()
        assert torch.allclose(whole.value.double(), torch.cat([p.value for p in parts]).double(), rtol=1e-4, atol=1e-3)
        if whole.std_error is not None:
            assert whole.std_error.shape == (5,)
            assert (whole.std_error >= 0).all()


def test_codes_have_the_shape_the_family_tells(case: Case) -> None:
    family, nets, spec, c = case.run.family, case.state.average, case.data.spec, case.c
    with torch.no_grad():
        if isinstance(family, Decodes):
            shape = family.latent_shape(spec)
            z = family.prior(nets, Noise.rows(0, 5), c)
            x = family.decode(nets, z, c)
            assert z.shape == (5, *shape)
            assert x.shape == (5, *spec.shape)
            assert x.isfinite().all()
            assert torch.allclose(x[2:3], family.decode(nets, z[2:3], c[2:3]), rtol=1e-4, atol=1e-4 * max(spec.scale))
        if isinstance(family, Encodes):
            z = family.encode(nets, case.x, c)
            assert z.isfinite().all()
            assert torch.equal(z, family.encode(nets, case.x, c))
            assert torch.allclose(z[2:3], family.encode(nets, case.x[2:3], c[2:3]), rtol=1e-4, atol=1e-4)
        if isinstance(family, Encodes) and isinstance(family, Decodes):
            assert z.shape == (5, *family.latent_shape(spec))
            assert reconstruct(family, nets, case.x, c).shape == case.x.shape


def test_a_whole_depends_on_its_patches_and_noise_and_on_no_other_row(case: Case) -> None:
    family, nets, spec = case.run.family, case.state.average, case.data.spec
    assert ("complete" in capabilities(family)) == isinstance(family, Completes)
    if isinstance(family, Completes):
        patches, noise, c = torch.rand(5, *family.patches_shape(spec)) * 16, Noise.rows(0, 5), case.c
        completer = family.completer(nets, small_options(family.CompleteOptions))
        whole = run_program(completer, (patches, c), noise)
        rows = [slice(i, i + 1) for i in range(5)]
        alone = torch.cat([run_program(completer, (patches[i], c[i]), noise[i]) for i in rows])
        assert whole.shape == case.x.shape
        assert whole.isfinite().all()
        assert torch.equal(whole, run_program(completer, (patches, c), noise))
        assert torch.allclose(whole, alone, rtol=1e-4, atol=1e-4 * max(spec.scale))
        assert torch.allclose(whole, run_program(completer, (patches.flip(1), c), noise), rtol=1e-4, atol=1e-3)
        assert not torch.allclose(whole, run_program(completer, (patches.flip(0), c), noise), atol=1e-3)


def test_a_translation_has_the_shape_of_its_row_and_depends_on_no_other(case: Case) -> None:
    family, nets, spec, x, c = case.run.family, case.state.average, case.data.spec, case.x, case.c
    assert ("translate" in capabilities(family)) == isinstance(family, Translates)
    if isinstance(family, Translates):
        to = family.other(nets, c)
        assert to.shape == c.shape
        assert not (to == c).all(1).any()
        translator, noise = family.translator(nets, small_options(family.TranslateOptions)), Noise.rows(0, 5)
        whole = run_program(translator, (x, to, c), noise)
        rows = [slice(i, i + 1) for i in range(5)]
        alone = torch.cat([run_program(translator, (x[i], to[i], c[i]), noise[i]) for i in rows])
        assert whole.shape == x.shape
        assert whole.isfinite().all()
        assert torch.equal(whole, run_program(translator, (x, to, c), noise))
        assert torch.allclose(whole, alone, rtol=1e-4, atol=1e-4 * max(spec.scale))
        assert not torch.allclose(whole, x)


def test_what_a_model_is_told_changes_what_it_draws(case: Case) -> None:
    if case.data.spec.condition is not None and isinstance(case.run.family, Samples):
        kind = case.data.spec.condition
        two = np.array(["one", "two"]) if isinstance(kind, Text) else np.array([0.0, 1.0])
        noise, c = Noise.rows(0, 2), kind.code(torch.from_numpy(kind.read(two)))
        assert not torch.equal(sample(case.sampler(), noise, c), sample(case.sampler(), noise, c.flip(0)))


@pytest.mark.parametrize("name", [name for name, cls in FAMILIES.items() if not issubclass(cls, Conditions)])
def test_a_family_that_takes_no_condition_refuses_data_that_have_one(name: str) -> None:
    with pytest.raises(ValidationError, match=f"has a condition, which {name} does not take"):
        small(name, "digits", told=True)


def test_an_evaluation_is_finite_and_names_the_kind_of_its_numbers(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, few in (("DRAWN_VECTORS", 300), ("DRAWN_IMAGES", 1)):
        monkeypatch.setattr(samples, name, few)
    data = replace(case.data, validation=case.data.validation.of(np.arange(6)))
    metrics = evaluate(data, case.state)
    assert all(np.isfinite(value) for value in metrics.values())
    scored = [name for name in metrics if name.startswith("validation_log_prob_nats_")]
    assert len(scored) == isinstance(case.run.family, Scores)
    assert ("sliced_wasserstein" in metrics) == isinstance(case.run.family, Samples)
    assert ("translation_rmse" in metrics) == isinstance(case.run.family, Translates)


def test_held_out_rows_have_a_finite_curve_unless_the_family_is_a_game(case: Case) -> None:
    games = {"gan", "infogan", "ae_ot_gan", "puzzle_gan", "text_to_image", "cyclegan", "stargan"}
    if case.run.family.family in games | {"glann"}:  # codes of training rows, and of no others
        assert case.state.curve is None
        assert case.state.served is case.state.average
        return
    assert case.state.curve is not None
    assert case.state.curve.steps == (STEPS,)
    assert np.isfinite(case.state.curve.values).all()
    assert case.state.curve.best_step == (STEPS if keeps_best(case.run.family) else None)


def has_convolutions(name: str, root: Path) -> bool:
    """Whether it builds convolutions of images for a whole image at once."""
    images = [source for source in sources(name) if source.endswith("digits")]
    if not images or name == "autoregressive":  # masked convolutions read any size
        return False
    run = small(name, images[0], told=name in NEEDS_A_CONDITION or translates(name))
    nets = run.family.build(load_data(run, root).spec)
    return any(isinstance(layer, torch.nn.Conv2d) for layer in nets.modules())


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_of_convolutions_refuses_images_too_large_before_it_is_trained(name: str, tmp_path: Path) -> None:
    if not has_convolutions(name, tmp_path):
        return
    spec = DataSpec(shape=(1, 80, 80), low=0, high=255, levels=256, n_rows=20)
    with pytest.raises(InvalidData, match="80x80") as error:
        FAMILIES[name]().check(spec)
    assert error.value.field == "run.data"
    with pytest.raises(InvalidData, match="80x80"):
        FAMILIES[name]().build(spec)
