"""The public names of `pushforward.models`, and the library in five functions."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from pushforward import models
from pushforward.models import Model, Run, complete, load, log_prob, sample, train
from pushforward.models.errors import InvalidInput


@pytest.mark.parametrize("name", models.MODULES)
def test_a_public_name_is_what_its_module_defines(name: str) -> None:
    module = import_module(f"pushforward.models.{models.MODULES[name]}")
    assert getattr(models, name) is getattr(module, name)
    assert name in models.__all__
    assert name in dir(models)
    assert getattr(models, name).__doc__


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'fit'"):
        models.fit  # noqa: B018


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, pushforward.models; assert 'torch' not in sys.modules and pushforward.models.Run"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def trained(folder: Path, family: dict[str, object], data: dict[str, object]) -> Model:
    run = {"family": family, "data": data, "budget": {"steps": 3}, "optimizer": {"batch_size": 32}}
    return train(Run.model_validate(run), folder / "model")


def test_a_trained_model_is_loaded_sampled_and_scored(tmp_path: Path) -> None:
    trained(tmp_path, {"family": "flow"}, {"source": "two_moons"})
    model = load(tmp_path / "model")
    x = sample(model, 5, seed=7)
    scored = log_prob(model, x.numpy())
    assert x.shape == (5, 2)
    torch.testing.assert_close(sample(model, 3, seed=7), x[:3])  # up to rounding
    assert scored.kind == "exact"
    assert torch.equal(scored.value, log_prob(model, x).value)
    held_out = model.card.held_out_log_prob
    assert held_out is not None
    assert len(held_out) == 512
    assert list(held_out) == sorted(held_out)
    assert np.mean(held_out) == pytest.approx(model.card.metrics["validation_log_prob_nats_exact"])


def test_a_model_without_a_likelihood_keeps_no_scores_of_held_out_rows(tmp_path: Path) -> None:
    model = trained(tmp_path, {"family": "gan", "width": 8}, {"source": "two_moons"})
    assert model.card.held_out_log_prob is None


def test_samples_of_data_with_levels_lie_on_them(tmp_path: Path) -> None:
    model = trained(tmp_path, {"family": "vae", "width": 4, "latent": 2}, {"source": "digits"})
    x = sample(model, 4, seed=1)
    assert x.shape == (4, 1, 8, 8)
    assert torch.equal(x, x.round().clamp(0, 16))
    assert log_prob(model, x, options={"k": 3}).kind == "lower_bound"


def test_a_column_that_never_varies_is_drawn_and_demanded(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    rows[:, 1] = 4.0
    np.save(tmp_path / "rows.npy", rows)
    run = Run.model_validate(
        {"family": {"family": "flow"}, "data": {"source": "npy", "path": "rows.npy"}, "budget": {"steps": 3}}
    )
    model = train(run, tmp_path / "model", data_root=tmp_path)
    x = sample(model, 3)
    assert torch.equal(x[:, 1], torch.full((3,), 4.0))
    assert log_prob(model, x).value.isfinite().all()
    with pytest.raises(InvalidInput, match="which is 4 in all rows"):
        log_prob(model, x + 1)


def test_a_condition_is_for_all_rows_or_for_each(tmp_path: Path) -> None:
    model = trained(tmp_path, {"family": "flow"}, {"source": "two_moons", "condition": "label"})
    assert torch.equal(sample(model, 2, condition=1), sample(model, 2, condition=[1, 1]))
    one = "a label, 0 to 1, for all rows, or one for each"
    for wrong, message in (
        (None, f"is missing; this flow needs {one}"),
        (2, f"does not fit this model; this flow needs {one}"),
        ([0, 1, 0], "has 3 rows where the answer has 2; give one for all rows, or one for each"),
    ):
        with pytest.raises(InvalidInput, match=message):
            sample(model, 2, condition=wrong)


def trained_on_a_table(folder: Path, family: dict[str, object]) -> Model:
    rng, lines = np.random.default_rng(0), ["flower,grams"]
    for flower, grams in zip(rng.choice(["iris", "rose"], 60), rng.normal(size=60), strict=True):
        lines.append(f"{flower},{'' if rng.random() < 0.2 else grams}")
    (folder / "flowers.csv").write_text("\n".join(lines))
    run = {"family": family, "data": {"source": "table", "path": "flowers.csv"}, "budget": {"steps": 3}}
    return train(Run.model_validate(run), folder / "model", data_root=folder)


@pytest.mark.parametrize("family", [{"family": "autoregressive", "any_order": True}, {"family": "vae", "latent": 2}])
def test_rows_of_a_table_are_completed(tmp_path: Path, family: dict[str, object]) -> None:
    model = trained_on_a_table(tmp_path, family)
    cells, given = [[1, np.nan], [0, np.nan], [0, 0.5]], [[True, False], [False, True], [False, False]]
    done = complete(model, cells, given, seed=2, n=4)
    assert done.x.shape == (3, 4, 2)
    assert (done.x[0, :, 0] == 1).all()
    assert done.x[1, :, 1].isnan().all()  # given that it is missing
    assert done.kind == ("exact" if "any_order" in family else "approximate")
    assert done.effective is None or done.effective.shape == (3, 4)
    torch.testing.assert_close(complete(model, cells, given, seed=2, n=4).x, done.x, equal_nan=True)
    assert model.card.spec.table is not None
    model.card.spec.table.check(done.x.view(-1, 2).numpy())


def test_cells_that_do_not_fit_are_not_completed(tmp_path: Path) -> None:
    model = trained_on_a_table(tmp_path, {"family": "autoregressive"})
    for cells, given, message in (
        ([[7, 0.0]], [[True, False]], "index of none of its 2 values"),
        ([[np.nan, 0.0]], [[True, False]], "had no missing cells in training"),
        ([[1, 0.0, 0.0]], [[True, False, True]], "2 cells"),
        ([[1, 0.0]], [True, False], "send one boolean for each cell"),
        ([[1, 0.0]], [[1, 0]], "send one boolean for each cell"),
    ):
        with pytest.raises(InvalidInput, match=message):
            complete(model, cells, given)


def test_a_refusal_says_what_to_do(tmp_path: Path) -> None:
    model = trained(tmp_path, {"family": "gan", "latent": 2}, {"source": "two_moons"})
    with pytest.raises(InvalidInput, match="gan has no likelihood; it has: sample"):
        log_prob(model, [[0.0, 1.0]])
    with pytest.raises(InvalidInput, match="takes none; leave it out"):
        sample(model, 2, condition=1)
    with pytest.raises(InvalidInput, match="gan has no completion of rows; it has: sample"):
        complete(model, [[0.0, 1.0]], [[True, False]])
    with pytest.raises(InvalidInput, match=r"no preset 'flow-two-suns'; the presets are: .*flow-two-moons"):
        train("flow-two-suns", tmp_path / "other")


def test_a_training_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    run = Run.model_validate(
        {
            "family": {"family": "flow"},
            "data": {"source": "two_moons"},
            "optimizer": {"lr": 1e30},
            "budget": {"steps": 9},
        }
    )
    with pytest.raises(Exception, match=r"lower optimizer\.lr"):
        train(run, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_training_goes_on_from_a_folder_by_the_budget_of_its_run(tmp_path: Path) -> None:
    run = Run.model_validate({
        "family": {"family": "vae", "latent": 2, "width": 8}, "data": {"source": "two_moons"}, "budget": {"steps": 4}
    })  # fmt: skip
    train(run, tmp_path / "first")
    card = train(run, tmp_path / "second", start_from=tmp_path / "first").card
    assert (card.steps, card.start_from, card.started_at_step) == (8, "first", 4)
    with pytest.raises(InvalidInput, match="give the folder as start_from"):
        train(run.model_copy(update={"start_from": "moons@1"}), tmp_path / "third")
