"""Presets of continuous normalizing flows (neural ODEs)."""

from pushforward.models.presets.preset import preset

ROWS = (
    preset(
        "cnf-two-moons",
        "A continuous normalizing flow, a neural ODE, of two interleaved half circles.",
        family={"family": "cnf", "tails": "gaussian", "solver_steps": 4},
        data={"source": "two_moons"},
        optimizer={"lr": 5e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 900},
    ),
    preset(
        "cnf-eight-gaussians",
        "A continuous normalizing flow, a neural ODE, of eight Gaussians on a circle.",
        family={"family": "cnf", "tails": "gaussian", "solver_steps": 4},
        data={"source": "eight_gaussians"},
        optimizer={"lr": 5e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 900},
    ),
    preset(
        "cnf-hutchinson-two-moons",
        "A continuous normalizing flow trained as FFJORD is, by Hutchinson's estimate of the divergence.",
        family={"family": "cnf", "tails": "gaussian", "solver_steps": 4, "divergence": "hutchinson"},
        data={"source": "two_moons"},
        optimizer={"lr": 5e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 900},
    ),
    preset(
        "conditional-cnf-two-moons",
        "A continuous normalizing flow of two moons, given which of them.",
        family={"family": "cnf", "tails": "gaussian", "solver_steps": 4},
        data={"source": "two_moons", "condition": "label"},
        optimizer={"lr": 5e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 600},
    ),
)
