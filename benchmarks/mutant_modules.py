"""Which modules are mutated, and which tests should notice."""

from __future__ import annotations

import re
from pathlib import Path

FEW = 3  # files that import a module and are therefore its tests; more, and it is everybody's
LIKELIHOODS = ("tests/models/likelihoods/test_likelihoods.py",)
SOLVERS = tuple(f"tests/models/samplers/test_{name}.py" for name in ("solvers", "orders", "predictor"))
ENGINE = tuple(f"tests/service/worker/test_engine{name}.py" for name in ("_fairness", "", "_failures"))
CODES = ("tests/models/networks/test_limits.py", "tests/models/families/test_wae.py")
ALSO = {  # the tests of modules that no file of tests mirrors, or whose mirror leaves half to others
    "models/paths/guidance.py": ("tests/models/families/test_flow_matching.py",),
    "models/likelihoods/binary.py": LIKELIHOODS,
    "models/likelihoods/gaussian.py": LIKELIHOODS,
    "models/likelihoods/discrete.py": LIKELIHOODS,
    "models/latents/sampled_priors.py": CODES[1:],
    "models/latents/priors.py": CODES[:1],
    "models/paths/schedules.py": ("tests/models/paths/test_weightings.py",),
    "models/samplers/dpm_solver.py": SOLVERS,
    "models/samplers/heun.py": SOLVERS,
    "models/samplers/ode.py": SOLVERS,
    "service/dispatch/pending.py": ("tests/service/dispatch/test_dispatcher.py",),
    "service/engine/group.py": ENGINE,
    "service/engine/rows.py": ENGINE,
    "service/engine/tickets.py": ENGINE,
}
MODULES = [
    *(f"models/objectives/{name}.py" for name in (
        "games", "weightings", "importance", "bounds", "gaussians", "normal_bins", "posteriors", "priors",
        "likelihoods/gaussian", "gumbel", "schedules", "dormand_prince", "code_priors", "couplings", "transport",
        "paths", "kernels", "penalties", "discrete_estimators", "preconditioning", "score_function", "dequantization",
        "integrands", "levels", "weighted_draws", "univariate", "probability_flow", "surgery",
        "likelihoods/binary", "likelihoods/leveled", "logit", "guidance")),
    *(f"models/samplers/{name}.py" for name in ("dpm_solver", "heun", "linear", "predictor", "probability_flow")),
    *(f"service/worker/{name}.py" for name in ("turns", "costs", "engine", "group", "rows", "residency")),
    *(f"models/{name}.py" for name in (
        "scoring_bound", "refining", "descending", "solving", "noise", "spec", "interpolate", "metrics", "walking")),
    *(f"service/adapters/{name}.py" for name in ("forecast", "fleet", "memory", "pending")),
]  # fmt: skip


def suite_of(module: str, root: Path) -> list[str]:
    """The mirror first, then `ALSO`, then those that import it, unless half the suite does."""
    path = Path(module)
    mirror = Path("tests") / path.parent / f"test_{path.name}"
    parent, name = ".".join(path.parent.parts), path.stem
    imports = re.compile(rf"from {parent}\.{name} import|from {parent} import .*\b{name}\b")
    places = (root / "tests" / part for part in ("models", "service"))
    files = sorted(file for place in places for file in place.rglob("test_*.py") if imports.search(file.read_text()))
    importers = [str(file.relative_to(root)) for file in files]
    wanted = [str(mirror), *ALSO.get(module, ()), *(importers if len(importers) <= FEW else ())]
    return [test for test in dict.fromkeys(wanted) if (root / test).exists()]
