"""Presets of diffusion models."""

from pushforward.models.presets.preset import preset

_EDM = {
    "family": "diffusion",
    "schedule": {"schedule": "edm"},
    "weighting": {"weighting": "edm"},
    "preconditioning": {"preconditioning": "edm"},
}
_SCORE_SDE = {"family": "diffusion", "schedule": {"schedule": "ou"}, "weighting": {"weighting": "likelihood"}}

ROWS = (
    preset(
        "diffusion-digits",
        "A denoising diffusion of 8x8 handwritten digits: a small UNet.",
        family={"family": "diffusion"},
        data={"source": "digits"},
        optimizer={"lr": 4e-3, "batch_size": 64, "decay": "cosine"},
        budget={"steps": 1800},
    ),
    preset(
        "diffusion-two-moons",
        "A denoising diffusion of two interleaved half circles, with their density.",
        family={"family": "diffusion"},
        data={"source": "two_moons"},
        optimizer={"lr": 5e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 4000},
    ),
    preset(
        "diffusion-eight-gaussians",
        "A denoising diffusion of eight Gaussians on a circle, with their density.",
        family={"family": "diffusion"},
        data={"source": "eight_gaussians"},
        optimizer={"lr": 5e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 4000},
    ),
    preset(
        "diffusion-checkerboard",
        "A diffusion of eight squares of a board, on levels even in log t: sharp edges.",
        family={"family": "diffusion", "schedule": {"schedule": "ou", "first": 1e-4}},
        data={"source": "checkerboard"},
        optimizer={"lr": 5e-3, "batch_size": 512, "decay": "cosine"},
        budget={"steps": 4000},
    ),
    preset(
        "diffusion-grid-gaussians",
        "A diffusion of twenty-five narrow Gaussians, on levels even in log t: fine modes.",
        family={"family": "diffusion", "schedule": {"schedule": "ou", "first": 1e-5}},
        data={"source": "grid_gaussians"},
        optimizer={"lr": 5e-3, "batch_size": 512, "decay": "cosine"},
        budget={"steps": 4000},
    ),
    preset(
        "ddpm-two-moons",
        "Denoising diffusion of half circles as in its first paper: linear variances, the simple loss.",
        family={"family": "diffusion", "schedule": {"schedule": "linear"}},
        data={"source": "two_moons"},
        optimizer={"lr": 5e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 4000},
    ),
    preset(
        "score-sde-two-moons",
        "A score model of the Ornstein-Uhlenbeck process on half circles, trained for likelihood.",
        family=_SCORE_SDE,
        data={"source": "two_moons"},
        optimizer={"lr": 5e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 4000},
    ),
    preset(
        "score-sde-eight-gaussians",
        "A score model of the Ornstein-Uhlenbeck process on eight Gaussians, trained for likelihood.",
        family=_SCORE_SDE,
        data={"source": "eight_gaussians"},
        optimizer={"lr": 5e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 4000},
    ),
    preset(
        "edm-two-moons",
        "A diffusion of half circles with the preconditioning, noise and levels of EDM.",
        family=_EDM,
        data={"source": "two_moons"},
        optimizer={"lr": 5e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 4000},
    ),
    preset(
        "edm-digits",
        "A diffusion of handwritten digits with the preconditioning, noise and levels of EDM.",
        family=_EDM | {"preconditioning": {"preconditioning": "edm", "sigma_data": 0.75}},
        data={"source": "digits"},
        optimizer={"lr": 4e-3, "batch_size": 64, "decay": "cosine"},
        budget={"steps": 1800},
    ),
    preset(
        "guided-diffusion-digits",
        "A diffusion of handwritten digits given their labels nine times of ten: classifier-free guidance.",
        family={"family": "diffusion", "drop": 0.1},
        data={"source": "digits", "condition": "label"},
        optimizer={"lr": 4e-3, "batch_size": 64, "decay": "cosine"},
        budget={"steps": 1800},
    ),
)
