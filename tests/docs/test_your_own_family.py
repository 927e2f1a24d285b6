"""docs/tutorials/your-own-family.md: its file, put where it says, trains; its script prints what the page prints."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs.printed import aligned
from tests.e2e.running import ROOT

PAGE = ROOT / "docs" / "tutorials" / "your-own-family.md"


def test_the_family_of_the_tutorial_is_one_file_and_trains_as_printed(tmp_path: Path) -> None:
    family, script, printed = re.findall(r"^```(?:python)?\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)[:3]
    package = tmp_path / "pushforward"
    shutil.copytree(ROOT / "models", package / "models", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pushforward" / "__init__.py", package)
    (package / "models" / "families" / "gaussian_mixture.py").write_text(family)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    list(aligned(printed, done.stdout))
