"""Presets of AE-OT, AE-OT-GAN and GLANN: codes of the data, and a map from noise to them."""

from pushforward.models.presets.preset import preset

ROWS = (
    preset(
        "glann-digits",
        "Generative latent nearest neighbors on 8x8 handwritten digits.",
        family={"family": "glann", "latent": 8, "mapping_width": 256},
        data={"source": "digits"},
        optimizer={"lr": 4e-3, "batch_size": 64, "decay": "cosine"},
        budget={"epochs": 100},
    ),
    preset(
        "glann-eight-gaussians",
        "Generative latent nearest neighbors on 2,000 points of eight Gaussians.",
        family={"family": "glann", "latent": 4},
        data={"source": "eight_gaussians", "n": 2000},
        optimizer={"lr": 8e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 3000},
    ),
    preset(
        "ae-ot-digits",
        "Digits by an autoencoder whose codes are reached by optimal transport.",
        family={"family": "ae_ot", "latent": 8},
        data={"source": "digits"},
        optimizer={"lr": 2e-3, "batch_size": 64, "decay": "cosine"},
        budget={"epochs": 100},
    ),
    preset(
        "ae-ot-gan-digits",
        "Digits by AE-OT whose decoder goes on as the generator of an adversarial network.",
        family={"family": "ae_ot_gan", "latent": 8, "width": 16},
        data={"source": "digits"},
        optimizer={"lr": 2e-3, "betas": (0.5, 0.999), "batch_size": 64, "decay": "cosine"},
        budget={"epochs": 100},
    ),
    preset(
        "ae-ot-eight-gaussians",
        "2,000 points of eight Gaussians by optimal transport: nothing between the modes.",
        family={"family": "ae_ot", "latent": 2, "angle": 0.3},
        data={"source": "eight_gaussians", "n": 2000},
        optimizer={"lr": 2e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 3000},
    ),
)
