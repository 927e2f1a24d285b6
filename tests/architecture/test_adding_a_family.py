"""The page on adding a family is true: its file, put where it says, trains, draws and scores."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

PROGRAM = """
import sys
from pathlib import Path
from pushforward.models.families import FAMILIES
from pushforward.models.capabilities import capabilities
from pushforward.models.run import Run
assert "torch" not in sys.modules
assert capabilities(FAMILIES["gaussian"]) == ("sample", "likelihood")

import torch
from pushforward.models.noise import Noise
from pushforward.models.stepwise.sampling import sample, no_condition
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh
for source, kind in (("two_moons", "exact"), ("digits", "lower_bound")):
    run = Run.model_validate({"family": {"family": "gaussian"}, "data": {"source": source}, "budget": {"steps": 30}})
    data = load_data(run, Path())
    state = fresh(run, data, torch.device("cpu"))
    losses = [float(at.losses["nll_nats"]) for at in train(data, state)]
    x = sample(run.family.sampler(state.average, run.family.SampleOptions()), Noise.rows(0, 4))
    x = data.spec.quantize(x)
    scored = run.family.log_prob(state.average, x, no_condition(x), Noise.rows(0, 4), run.family.ScoreOptions())
    assert losses[-1] < losses[0]
    assert x.shape == (4, *data.spec.shape)
    assert scored.value.isfinite().all()
    assert scored.kind == kind
"""


def test_the_family_of_the_page_needs_no_other_file(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "adding-a-family.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    package = tmp_path / "pushforward"
    shutil.copytree(ROOT / "models", package / "models", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pushforward" / "__init__.py", package)
    (package / "models" / "families" / "gaussian.py").write_text(code[1])
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
