"""Autoencoders: their latent codes have a prior."""

from models.presets.preset import preset

ROWS = (
    preset(
        "vae-digits",
        "A variational autoencoder on 8x8 handwritten digits.",
        family={"family": "vae", "latent": 8, "width": 32, "likelihood": {"likelihood": "binomial"}},
        data={"source": "digits"},
        optimizer={"lr": 3e-3, "batch_size": 64, "decay": "cosine"},
        budget={"epochs": 30},
    ),
    preset(
        "vae-two-moons",
        "A variational autoencoder on two interleaved half circles.",
        family={"family": "vae", "latent": 4, "width": 128, "depth": 4},
        data={"source": "two_moons"},
        optimizer={"lr": 6e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 5000},
    ),
    preset(
        "vae-eight-gaussians",
        "A variational autoencoder on eight Gaussians on a circle.",
        family={"family": "vae", "latent": 4, "width": 128, "depth": 4},
        data={"source": "eight_gaussians"},
        optimizer={"lr": 6e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 5000},
    ),
    preset(
        "wae-digits",
        "A Wasserstein autoencoder on 8x8 handwritten digits.",
        family={"family": "wae", "latent": 8, "width": 32},
        data={"source": "digits"},
        optimizer={"lr": 2e-3, "betas": (0.5, 0.999), "batch_size": 100, "decay": "cosine"},
        budget={"epochs": 60},
    ),
    preset(
        "wae-two-moons",
        "A Wasserstein autoencoder on two interleaved half circles.",
        family={
            "family": "wae",
            "latent": 2,
            "width": 128,
            "depth": 4,
            "penalty": {"penalty": "sliced", "directions": 32},
        },
        data={"source": "two_moons"},
        optimizer={"lr": 1.5e-2, "betas": (0.9, 0.99), "batch_size": 512, "decay": "cosine"},
        budget={"steps": 4000},
    ),
    preset(
        "wae-eight-gaussians",
        "A Wasserstein autoencoder on eight Gaussians on a circle.",
        family={
            "family": "wae",
            "latent": 2,
            "width": 128,
            "depth": 4,
            "penalty": {"penalty": "sliced", "directions": 32},
        },
        data={"source": "eight_gaussians"},
        optimizer={"lr": 1.5e-2, "betas": (0.9, 0.99), "batch_size": 512, "decay": "cosine"},
        budget={"steps": 4000},
    ),
)
