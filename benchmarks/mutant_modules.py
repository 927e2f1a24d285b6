"""Which modules are mutated, and which tests should notice."""

from __future__ import annotations

import re
from pathlib import Path

FEW = 3  # files that import a module and are therefore its tests; more, and it is everybody's
LIKELIHOODS = ("tests/models/likelihoods/test_likelihoods.py",)
SOLVERS = tuple(f"tests/models/samplers/test_{name}.py" for name in ("solvers", "orders", "predictor"))
ENGINE = tuple(f"tests/service/engine/test_engine{name}.py" for name in ("_fairness", "", "_failures"))
CODES = ("tests/models/networks/test_limits.py", "tests/models/families/test_wae.py")
ALSO = {
    **{
        f"models/adversarial/divergences/{name}.py": ("tests/models/adversarial/divergences/test_divergences.py",)
        for name in ("bounded", "kullback_leibler", "powers")
    },  # the tests of modules that no file of tests mirrors, or whose mirror leaves half to others
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
    "service/engine/batching/batch.py": ENGINE,
    "service/engine/batching/rows.py": ENGINE,
    "service/engine/batching/waiting.py": ENGINE,
    "service/engine/tickets.py": ENGINE,
}
MODULES = [
    *(
        f"models/adversarial/{name}.py"
        for name in (
            "contest",
            "critics",
            "discrepancies",
            "divergences/bounded",
            "divergences/kullback_leibler",
            "divergences/powers",
            "games/began",
            "games/discrepancy",
            "games/logistic",
            "games/margins",
            "games/wasserstein",
            "kernels",
            "penalties",
        )
    ),
    *(
        f"models/paths/{name}.py"
        for name in (
            "weightings",
            "schedules",
            "couplings",
            "straight",
            "preconditioning",
            "guidance",
        )
    ),
    *(
        f"models/variational/{name}.py"
        for name in (
            "importance",
            "bounds",
            "discrete_gradients",
            "score_function",
            "weighted_draws",
            "refinement",
        )
    ),
    *(
        f"models/distributions/{name}.py"
        for name in (
            "gaussians",
            "normal_bins",
            "categorical",
            "levels",
        )
    ),
    *(
        f"models/latents/{name}.py"
        for name in (
            "posteriors",
            "priors",
            "sampled_priors",
            "elbo_surgery",
            "inversion",
        )
    ),
    *(
        f"models/likelihoods/{name}.py"
        for name in (
            "gaussian",
            "binary",
            "discrete",
        )
    ),
    *(
        f"models/solvers/{name}.py"
        for name in (
            "dormand_prince",
            "ode",
        )
    ),
    *(
        f"models/geometry/{name}.py"
        for name in (
            "semidiscrete",
            "interpolation",
        )
    ),
    *(
        f"models/flows/{name}.py"
        for name in (
            "dequantization",
            "univariate",
            "divergence",
            "logit",
        )
    ),
    *(f"models/data/{name}.py" for name in ("integrands",)),
    *(
        f"models/samplers/{name}.py"
        for name in (
            "dpm_solver",
            "heun",
            "linear",
            "predictor",
            "ode",
            "variational_bound",
        )
    ),
    *(
        f"service/engine/{name}.py"
        for name in (
            "scheduler",
            "costs",
            "engine",
            "group",
            "model_cache",
        )
    ),
    *(f"service/engine/batching/{name}.py" for name in ("batch", "rows", "waiting")),
    *(f"models/{name}.py" for name in ("noise",)),
    *(f"models/spec/{name}.py" for name in ("data_spec",)),
    *(f"models/evaluation/{name}.py" for name in ("sample_metrics",)),
    *(f"models/stepwise/{name}.py" for name in ("mapping",)),
    *(
        f"service/dispatch/{name}.py"
        for name in (
            "admission",
            "routing",
            "pending",
        )
    ),
    *(f"service/jobs/{name}.py" for name in ("memory_record",)),
]


def suite_of(module: str, root: Path) -> list[str]:
    """The mirror first, then `ALSO`, then those that import it, unless half the suite does."""
    path = Path(module)
    mirror = Path("tests") / path.parent / f"test_{path.name}"
    parent, name = ".".join(("pushforward", *path.parent.parts)), path.stem
    imports = re.compile(rf"from {parent}\.{name} import|from {parent} import .*\b{name}\b")
    places = (root / "tests" / part for part in ("models", "service"))
    files = sorted(file for place in places for file in place.rglob("test_*.py") if imports.search(file.read_text()))
    importers = [str(file.relative_to(root)) for file in files]
    wanted = [str(mirror), *ALSO.get(module, ()), *(importers if len(importers) <= FEW else ())]
    return [test for test in dict.fromkeys(wanted) if (root / test).exists()]
