"""The library in five functions: train a model, load it, sample from it, score rows under it, complete rows of a table.

Example:
    >>> from pushforward.models import Run, load, log_prob, sample, train
    >>> run = Run.model_validate(
    ...     {"family": {"family": "flow"}, "data": {"source": "two_moons"}, "budget": {"steps": 20}}
    ... )
    >>> trained = train(run, "moons")  # or the name of a preset: train("flow-two-moons", "moons")
    >>> model = load("moons")
    >>> x = sample(model, 64, seed=0)  # in the units of the data
    >>> x.shape
    torch.Size([64, 2])
    >>> scored = log_prob(model, x)
    >>> scored.kind, scored.value.shape  # nats
    ('exact', torch.Size([64]))

They give what the service gives for the same run, seed and rows; the parts of a run with several `devices` are computed
one after another here. Below them, a training is a generator of states (`models.training.loop`), and families, samplers
and likelihoods are functions of weights and noise (`models.family`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike

from pushforward.models.data.mapped.scratch import ScratchSpace
from pushforward.models.errors import InvalidInput
from pushforward.models.evaluation.judgement import judge
from pushforward.models.evaluation.measurement import finished
from pushforward.models.family import Samples, Scores, answers_without
from pushforward.models.form import form_of
from pushforward.models.held_out import check_patience
from pushforward.models.noise import Noise
from pushforward.models.presets import PRESETS
from pushforward.models.run import Run
from pushforward.models.spec.conditioning import Conditioning
from pushforward.models.stepwise import program
from pushforward.models.stepwise.sampling import sample as draw
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.storage.model import Model, load_model
from pushforward.models.tables.columns import Value
from pushforward.models.tabular.completion import Completed, CompletesRows
from pushforward.models.training.checkpoint import save_model
from pushforward.models.training.compute.memory import rows_bytes
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.loop import train as training
from pushforward.models.training.start import Origin, started
from pushforward.models.training.state import fresh

if TYPE_CHECKING:
    from torch import Tensor

Given = Mapping[str, Value | None] | Sequence[Mapping[str, Value | None]]  # records of columns


def train(
    run: Run | str,
    folder: str | Path,
    *,
    data_root: str | Path = "data",
    device: str | torch.device = "cpu",
    start_from: str | Path | None = None,
) -> Model:
    """Train a run, score it on held-out rows, and write weights and card into a new folder.

    Arguments:
        run: everything that determines the model, or the name of a preset.
        folder: is made; its parent exists.
        data_root: where paths in `run.data` begin.
        start_from: the folder of a trained model: its training is continued by the budget of the run where family and
            data are the same; else its weights are taken over by name and shape (`models.training.start`).

    Raises:
        InvalidInput: there is no such preset, or the run starts from a model of a service.
        InvalidData: the data cannot be read, or do not fit the family or the model that is started from.
        Diverged: a loss, a score or a sample is not finite.
        FileExistsError: there is such a folder.
    """
    run = _preset(run) if isinstance(run, str) else run
    folder, device = Path(folder), torch.device(device)
    if run.start_from is not None and start_from is None:
        raise InvalidInput(f"{run.start_from} is in a service's store; give the folder as start_from", field="run")
    origin = None if start_from is None else Origin(run.start_from or Path(start_from).name, Path(start_from))
    with TemporaryDirectory(prefix=".scratch-", dir=folder.parent) as scratch:
        data = load_data(run, Path(data_root), ScratchSpace(Path(scratch), rows_bytes(None)))
        return _trained(run, folder, data, device, origin)


def _trained(run: Run, folder: Path, data: TrainingData, device: torch.device, origin: Origin | None) -> Model:
    check_patience(run, form_of(run.family, data.spec))
    state = fresh(run, data, device) if origin is None else started(run, data, device, origin)
    folder.mkdir()
    try:
        deque(training(data, state), maxlen=0)
        verdict = finished(judge(data, state))
        save_model(folder, state, verdict.metrics, data.fingerprint, verdict.notes, verdict.log_prob)
    except BaseException:
        if not any(folder.iterdir()):
            folder.rmdir()  # so that the same call can be made again
        raise
    return load(folder, device=device)


def load(folder: str | Path, *, device: str | torch.device = "cpu") -> Model:
    """A trained model from its folder; those of a service are `{store}/{model}/{version}`.

    Raises:
        BadCheckpoint: a file is missing, torn or altered.
    """
    return load_model(Path(folder), torch.device(device))


def sample(
    model: Model,
    n: int,
    *,
    seed: int = 0,
    condition: ArrayLike | Given | None = None,
    options: dict[str, object] | None = None,
) -> Tensor:
    """New rows, (n, *shape), in data units. Row i depends on the seed and on i alone.

    Arguments:
        condition: of a conditional model: a label, a vector, a text or a record for all rows, or one for each.
        options: the family's `SampleOptions`, such as `{"steps": 24}`.

    Raises:
        InvalidInput: the model cannot be sampled, or the condition does not fit it.
        pydantic.ValidationError: an option is not one of the family's.
    """
    family, spec = model.family, model.card.spec
    if not isinstance(family, Samples) or "sample" not in model.card.capabilities:
        raise _cannot(model, "sample")
    chosen = family.SampleOptions.model_validate(options or {})
    x = draw(family.sampler(model.nets, chosen), Noise.rows(seed, n, device=_device(model)), _code(model, condition, n))
    return spec.from_networks(x)


def log_prob(
    model: Model,
    x: ArrayLike | Tensor,
    *,
    seed: int = 0,
    condition: ArrayLike | Given | None = None,
    options: dict[str, object] | None = None,
) -> LogProb:
    """Log p(x) of each row, in nats and data units, and whether it is exact, a lower bound or an estimate.

    Arguments:
        x: (B, *shape), data units.
        seed: of the draws, where the number is random.
        condition: of a conditional model: a label, a vector, a text or a record for all rows, or one for each.
        options: the family's `ScoreOptions`, such as `{"k": 1000}`.

    Raises:
        InvalidInput: the family has no likelihood, or rows or condition do not fit the model; rows between levels, or
            between counts, where these have no probability.
        pydantic.ValidationError: an option is not one of the family's.
    """
    family, spec, device = model.family, model.card.spec, _device(model)
    if not isinstance(family, Scores) or "likelihood" not in model.card.capabilities:
        raise _cannot(model, "likelihood")
    rows = np.asarray(x.cpu() if isinstance(x, torch.Tensor) else x, spec.dtype)
    spec.check(rows, on_levels=spec.discrete and family.scores_only_levels(spec))
    kept = spec.to_networks(torch.from_numpy(rows).to(device))
    chosen = family.ScoreOptions.model_validate(options or {})
    noise = Noise.rows(seed, len(rows), device=device)
    with torch.no_grad():
        return program.run(family.scorer(model.nets, chosen), (kept, _code(model, condition, len(rows))), noise)


def complete(
    model: Model,
    cells: ArrayLike | Tensor,
    given: ArrayLike | Tensor,
    *,
    seed: int = 0,
    n: int = 1,
    condition: ArrayLike | Given | None = None,
    options: dict[str, object] | None = None,
) -> Completed:
    """Rows of a table, n for each row that is sent: its given cells, and a draw of the others, (B, n, C).

    Arguments:
        cells: (B, C), as the table codes them; NaN where it is given that there is none.
        given: (B, C) bool; cells that are not given may be anything.
        condition: of a conditional model: a label, a vector, a text or a record for all rows, or one for each.
        options: the family's `CompleteOptions`, such as `{"candidates": 1000}`.

    Raises:
        InvalidInput: the model does not complete rows, or cells or condition do not fit it.
        pydantic.ValidationError: an option is not one of the family's.
    """
    family, spec, device = model.family, model.card.spec, _device(model)
    if not isinstance(family, CompletesRows) or spec.table is None:
        raise _cannot(model, "completion of rows")
    rows, known = (np.asarray(each.cpu() if isinstance(each, torch.Tensor) else each) for each in (cells, given))
    if known.shape != rows.shape or known.dtype != np.bool_:
        raise InvalidInput(
            f"is {known.dtype} of shape {list(known.shape)}; send one boolean for each cell: {list(rows.shape)}",
            field="given",
        )
    spec.table.check_given(rows.astype(np.float64), known, field="cells")
    family.check_given(rows, known)
    x, is_given, c = (
        each.repeat_interleave(n, 0)
        for each in (
            torch.from_numpy(rows.astype(np.float64)).to(device),
            torch.from_numpy(known).to(device),
            _code(model, condition, len(rows)),
        )
    )
    chosen = family.CompleteOptions.model_validate(options or {})
    with torch.no_grad():
        done = family.complete_rows(model.nets, x, is_given, Noise.rows(seed, len(x), device=device), c, chosen)
    effective = None if done.effective is None else done.effective.view(-1, n)
    return done._replace(x=done.x.view(-1, n, spec.table.n_cells), effective=effective)


def _preset(name: str) -> Run:
    if name not in PRESETS:
        raise InvalidInput(f"there is no preset {name!r}; the presets are: {', '.join(PRESETS)}", field="run")
    return PRESETS[name].run


def _cannot(model: Model, capability: str) -> InvalidInput:
    can = ", ".join(model.card.capabilities)
    return InvalidInput(f"{model.family.family} has no {capability}; it has: {can}", field="model")


def _device(model: Model) -> torch.device:
    return next(model.nets.parameters()).device


def _code(model: Model, condition: ArrayLike | Given | None, n: int) -> Tensor:
    """The condition of each row as networks see it, (n, C). Raises InvalidInput."""
    spec, device = model.card.spec, _device(model)
    conditioning = Conditioning(f"this {model.family.family}", spec.condition, answers_without(model.family))
    rows = conditioning.rows(None if condition is None else np.asarray(condition), n)
    if rows is None or spec.condition is None:
        return torch.zeros(n, spec.condition_size, device=device)
    return spec.condition.code(torch.tensor(rows, device=device))
