"""Networks that train in bfloat16: the losses of float32 within its rounding, weights and Adam in float32."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.utils.parametrize import ParametrizationList
from torch.utils._python_dispatch import TorchDispatchMode

from pushforward.models.families import FAMILIES
from pushforward.models.form import form_of
from pushforward.models.losses import Loss
from pushforward.models.run import Run
from pushforward.models.storage.model import load_model
from pushforward.models.training import parts
from pushforward.models.training.batches import batches
from pushforward.models.training.checkpoint import latest_state, save_model, save_state
from pushforward.models.training.compute.precision import bodies, in_bfloat16
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import TrainingState, fresh

CPU = torch.device("cpu")
MOONS = {"source": "two_moons"}
DIGITS = {"source": "digits"}
SWINGS = {"source": "autoregressive_process", "length": 12}
SMALL = {"width": 8, "latent": 2, "depth": 1, "n_transforms": 2}
GAN = {"family": "gan", "width": 8, "latent": 4}


def run_of(family: dict[str, Any], data: dict[str, Any], precision: str, steps: int = 30, accumulate: int = 1) -> Run:
    return Run.model_validate({
        "family": family,
        "data": data,
        "optimizer": {"batch_size": 32, "precision": precision, "accumulate": accumulate, "lr": 3e-3},
        "budget": {"steps": steps},
    })  # fmt: skip


def small(name: str) -> dict[str, Any]:
    return {"family": name} | {k: v for k, v in SMALL.items() if k in FAMILIES[name].model_fields}


def began(run: Run, root: Path) -> tuple[TrainingData, TrainingState]:
    data = load_data(run, root)
    return data, fresh(run, data, CPU)


def trained(run: Run, root: Path) -> tuple[TrainingState, list[dict[str, float]]]:
    data, state = began(run, root)
    told = [{name: float(value) for name, value in each.losses.items()} for each in train(data, state)]
    return state, told


def write_table(root: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    lines = (f"{a:.3f},{'red' if a > b else 'blue'}" for a, b in rng.normal(size=(200, 2)))
    (root / "cells.csv").write_text("\n".join(["number,color", *lines]))
    return {"source": "table", "path": "cells.csv"}


@pytest.mark.parametrize(
    ("family", "data"),
    [
        (small("vae") | {"likelihood": {"likelihood": "gaussian"}}, MOONS),
        (small("vae"), DIGITS),
        (small("flow"), MOONS),
        (small("flow"), DIGITS),
        (small("flow_matching"), SWINGS),
        (small("diffusion"), DIGITS),
        (small("autoregressive") | {"network": {"network": "pixelcnn", "width": 8}}, DIGITS),
        (small("flow"), {"source": "table"}),
        (small("vae"), {"source": "table"}),
    ],
    ids=lambda case: str(case.get("family") or case.get("source")),
)
def test_losses_go_down_as_in_float32(family: dict[str, Any], data: dict[str, Any], tmp_path: Path) -> None:
    data = write_table(tmp_path) if data["source"] == "table" else data
    _, exact = trained(run_of(family, data, "float32"), tmp_path)
    _, rounded = trained(run_of(family, data, "bfloat16"), tmp_path)
    name = next(iter(exact[0]))
    a, b = ([each[name] for each in told] for told in (exact, rounded))
    fall = sum(a[:5]) - sum(a[-5:])
    assert fall > 0
    assert sum(b[:5]) - sum(b[-5:]) == pytest.approx(fall, rel=0.15, abs=0.05)
    assert a != b  # it is another arithmetic


@pytest.mark.parametrize(
    "changes",
    [
        {"regularizers": [{"regularizer": "spectral_norm"}]},
        {"regularizers": [{"regularizer": "gradient_penalty"}], "game": {"game": "wasserstein"}},
        {"regularizers": [{"regularizer": "r1"}, {"regularizer": "unrolled", "steps": 2}]},
        {"network": {"network": "dcgan"}},
        {"network": {"network": "progressive"}},
    ],
    ids=["spectral", "gradient-penalty", "unrolled", "dcgan", "progressive"],
)
def test_games_play_as_in_float32(changes: dict[str, Any], tmp_path: Path) -> None:
    """Fakes are drawn without gradients and then with them; penalties differentiate a gradient."""
    exact, told = trained(run_of({**GAN, **changes}, DIGITS, "float32", steps=6), tmp_path)
    rounded, told_rounded = trained(run_of({**GAN, **changes}, DIGITS, "bfloat16", steps=6), tmp_path)
    for name, value in told[-1].items():
        assert told_rounded[-1][name] == pytest.approx(value, abs=0.02)
    moved = [
        name
        for name, weight in rounded.nets.named_parameters()
        if not torch.equal(weight, dict(exact.nets.named_parameters())[name])
    ]
    assert any(name.startswith("generator") for name in moved)
    assert any(name.startswith("critic") for name in moved)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_family_has_bodies_exactly_where_it_says_so(name: str, tmp_path: Path) -> None:
    family, data = small(name), {**MOONS, "n": 64}
    if name in ("autoregressive", "puzzle_gan"):
        data = DIGITS
    elif name == "nis":
        data = {"source": "unit_cube"}
    elif name == "text_to_image":
        data = {"source": "captioned_digits", "condition": "text"}
    elif name in ("cyclegan", "stargan"):
        data = {"source": "turned_moons", "condition": "label"}
    elif name == "vae":
        family |= {"likelihood": {"likelihood": "gaussian"}}
    _, state = began(run_of(family, data, "float32"), tmp_path)
    assert any(bodies(state.nets)) is FAMILIES[name].trains_in_bfloat16


def test_a_family_that_solves_equations_refuses_and_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"cnf adds up its rounding .* leave precision out, or give float32"):
        run_of({"family": "cnf"}, MOONS, "bfloat16")


class SeenTypes(TorchDispatchMode):
    """Which operations computed in bfloat16."""

    def __init__(self) -> None:
        super().__init__()
        self.rounded: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor) and out.dtype is torch.bfloat16:
            self.rounded.add(func.name())
        return out


@pytest.mark.parametrize("family", [small("flow"), small("diffusion"), GAN], ids=lambda family: family["family"])
def test_losses_gradients_moments_and_averages_are_not_rounded(family: dict[str, Any], tmp_path: Path) -> None:
    data, state = began(run_of(family, DIGITS, "bfloat16"), tmp_path)
    batch = next(batches(data, state))
    with SeenTypes() as seen:
        next(in_bfloat16(state.family.losses(state.nets, batch), state.nets))
    assert seen.rounded & {"aten::addmm", "aten::mm", "aten::convolution"}
    assert not seen.rounded & {"aten::sum.dim_IntList", "aten::mean", "aten::log", "aten::logsumexp", "aten::_softmax"}
    for loss, gradients in parts.losses(state, batch):
        assert loss.value.dtype in (torch.float32, torch.float64)  # bounds of levels are summed in float64
        assert all(g.dtype is torch.float32 and g.isfinite().all() for g in gradients)
        assert any(g.abs().sum() > 0 for g in gradients)
    state, _ = trained(run_of(family, DIGITS, "bfloat16", steps=2), tmp_path)
    assert {p.dtype for nets in (state.nets, state.average) for p in nets.parameters()} == {torch.float32}
    moments = [m for adam in state.optimizers.values() for m in (*adam.means, *adam.squares)]
    assert {m.dtype for m in moments} == {torch.float32}


def test_spectral_norms_are_computed_in_float32(tmp_path: Path) -> None:
    family = {**GAN, "regularizers": [{"regularizer": "spectral_norm"}]}
    _, state = began(run_of(family, DIGITS, "bfloat16"), tmp_path)
    norm = next(m for m in state.nets["critic"].modules() if isinstance(m, ParametrizationList))[0]
    seen: list[torch.dtype] = []

    def losses() -> Iterator[Loss]:
        hook = norm.register_forward_hook(
            lambda module, args, out: seen.append(torch.mm(out.flatten(1), out.flatten(1).T).dtype)
        )
        yield Loss("critic", state.nets["critic"](torch.zeros(2, 1, 8, 8)).sum(), ("critic",))
        hook.remove()

    value = next(in_bfloat16(losses(), state.nets)).value
    assert seen == [torch.float32]
    assert value.dtype is torch.float32


def test_float32_is_what_the_family_yields_untouched(tmp_path: Path) -> None:
    data, state = began(run_of(small("vae"), DIGITS, "float32"), tmp_path)
    (loss,) = state.family.losses(state.nets, next(batches(data, state)))
    ((same, _),) = parts.losses(state, next(batches(data, state)))
    assert torch.equal(same.value, loss.value)


@pytest.mark.parametrize("family", [small("flow"), GAN], ids=lambda family: family["family"])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_it_resumes_bit_for_bit(family: dict[str, Any], accumulate: int, tmp_path: Path) -> None:
    run = run_of(family, DIGITS, "bfloat16", steps=6, accumulate=accumulate)
    whole, _ = trained(run, tmp_path)
    data, state = began(run, tmp_path)
    for _ in train(data, state):
        if state.step == 3:
            break
    save_state(tmp_path / "states", state)
    resumed = latest_state(tmp_path / "states", data, run, CPU)
    assert resumed is not None
    for _ in train(data, resumed):
        pass
    for mine, theirs in zip(resumed.nets.parameters(), whole.nets.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    for mine, theirs in zip(resumed.average.parameters(), whole.average.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_parts_give_the_batch_s_gradient_within_rounding(tmp_path: Path) -> None:
    """The flow's losses draw nothing on moons."""
    data, whole = began(run_of(small("flow"), MOONS, "bfloat16"), tmp_path)
    _, in_parts = began(run_of(small("flow"), MOONS, "bfloat16", accumulate=4), tmp_path)
    batch = next(batches(data, whole))
    (_, expected), (_, found) = (next(parts.losses(state, batch)) for state in (whole, in_parts))
    flat, other = (torch.cat([g.flatten() for g in each]) for each in (expected, found))
    assert (flat - other).norm() < 0.02 * flat.norm()


def test_networks_are_as_before_after_a_loss_and_after_a_failure(tmp_path: Path) -> None:
    """Nothing stays in bfloat16: neither the networks nor the thread."""
    data, state = began(run_of(small("vae"), DIGITS, "bfloat16"), tmp_path)
    batch = next(batches(data, state))
    plain = state.nets["encoder"](state.nets.spec.normalize(batch.x))
    next(parts.losses(state, batch))

    def failing() -> Iterator[Loss]:
        state.nets["encoder"](torch.zeros(2, 3))  # of another shape
        yield Loss("none", torch.zeros(()), ())

    with pytest.raises(RuntimeError):
        next(in_bfloat16(failing(), state.nets))
    assert not torch.is_autocast_enabled("cpu")
    assert torch.equal(state.nets["encoder"](state.nets.spec.normalize(batch.x)), plain)


def test_the_card_tells_the_precision_and_the_model_is_served_in_float32(tmp_path: Path) -> None:
    run = run_of(small("vae"), DIGITS, "bfloat16", steps=2)
    state, _ = trained(run, tmp_path)
    (tmp_path / "model").mkdir()
    save_model(tmp_path / "model", state, {}, state.fingerprint)
    model = load_model(tmp_path / "model", CPU)
    assert model.card.run["optimizer"]["precision"] == "bfloat16"
    assert {p.dtype for p in model.nets.parameters()} == {torch.float32}


def test_forms_of_tables_have_bodies_too(tmp_path: Path) -> None:
    run = run_of(small("gan"), write_table(tmp_path), "bfloat16", steps=3)
    data, state = began(run, tmp_path)
    assert isinstance(form_of(run.family, data.spec), type(state.family))
    assert any(bodies(state.nets))
    state, told = trained(run, tmp_path)
    assert all(np.isfinite(value) for value in told[-1].values())


def test_an_unknown_precision_is_refused_by_its_field() -> None:
    with pytest.raises(ValueError, match=r"optimizer\.precision"):
        run_of(small("vae"), DIGITS, "float16")
