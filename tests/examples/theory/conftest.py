"""Scripts find one another as they do when they are run: their folder is on the path."""

import sys
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "examples" / "theory"

sys.path.insert(0, str(FOLDER))
