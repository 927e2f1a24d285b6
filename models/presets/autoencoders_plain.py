"""Presets of autoencoders without a prior, and of sliced Wasserstein autoencoders."""

from pushforward.models.presets.preset import preset

ROWS = (
    preset(
        "ae-digits",
        "An autoencoder of 8x8 handwritten digits: reconstructs, and does not generate.",
        family={"family": "ae", "latent": 8, "width": 32},
        data={"source": "digits"},
        optimizer={"lr": 3e-3, "batch_size": 64, "decay": "cosine"},
        budget={"epochs": 30},
    ),
    preset(
        "ae-mixture-digits",
        "An autoencoder of 8x8 handwritten digits, and a mixture of twenty Gaussians fitted to its codes.",
        family={"family": "ae", "latent": 8, "width": 32, "density": {"density": "mixture", "components": 20}},
        data={"source": "digits"},
        optimizer={"lr": 3e-3, "batch_size": 64, "decay": "cosine"},
        budget={"epochs": 30},
    ),
    preset(
        "ae-two-moons",
        "An autoencoder of two interleaved half circles through one number: a curve along both.",
        family={"family": "ae", "latent": 1, "width": 64, "depth": 3},
        data={"source": "two_moons"},
        optimizer={"lr": 3e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 2000},
    ),
    preset(
        "swae-digits",
        "A sliced Wasserstein autoencoder of 8x8 handwritten digits.",
        family={"family": "wae", "latent": 8, "width": 32, "penalty": {"penalty": "sliced"}},
        data={"source": "digits"},
        optimizer={"lr": 2e-3, "betas": (0.5, 0.999), "batch_size": 128, "decay": "cosine"},
        budget={"epochs": 40},
    ),
    preset(
        "swae-ring-digits",
        "A sliced Wasserstein autoencoder of 8x8 handwritten digits with codes on a sphere.",
        family={
            "family": "wae",
            "latent": 8,
            "width": 32,
            "penalty": {"penalty": "sliced"},
            "prior_codes": {"prior": "ring", "radius": 2.8},
        },
        data={"source": "digits"},
        optimizer={"lr": 2e-3, "betas": (0.5, 0.999), "batch_size": 128, "decay": "cosine"},
        budget={"epochs": 40},
    ),
)
