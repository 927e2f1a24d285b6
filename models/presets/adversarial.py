"""Presets of generative adversarial networks."""

from pushforward.models.presets.preset import preset

ROWS = (
    preset(
        "gan-digits",
        "A generative adversarial network on 8x8 handwritten digits.",
        family={"family": "gan", "latent": 32, "width": 16, "game": {"game": "non_saturating", "gamma": 0.1}},
        data={"source": "digits"},
        optimizer={"lr": 1e-3, "betas": (0.5, 0.999), "batch_size": 64, "decay": "cosine", "ema": 0.998},
        budget={"steps": 3500},
    ),
    preset(
        "gan-two-moons",
        "A generative adversarial network on two interleaved half circles.",
        family={"family": "gan"},
        data={"source": "two_moons"},
        optimizer={"lr": 1e-3, "betas": (0.5, 0.999), "batch_size": 256, "decay": "cosine"},
        budget={"steps": 3000},
    ),
    preset(
        "gan-eight-gaussians",
        "A generative adversarial network on eight Gaussians: no mode is lost.",
        family={"family": "gan"},
        data={"source": "eight_gaussians"},
        optimizer={"lr": 1e-3, "betas": (0.5, 0.999), "batch_size": 256, "decay": "cosine"},
        budget={"steps": 4500},
    ),
    preset(
        "text-digits",
        "Text to image: handwritten digits, thick, slanted or inverted, from a caption.",
        family={"family": "text_to_image", "width": 16},
        data={"source": "captioned_digits", "condition": "text"},
        optimizer={"lr": 1e-3, "betas": (0.5, 0.999), "batch_size": 64, "decay": "cosine", "ema": 0.998},
        budget={"steps": 3000},
    ),
    preset(
        "puzzle-digits",
        "Puzzle-GAN: handwritten digits from three patches in no order.",
        family={"family": "puzzle_gan", "side": 4, "width": 32},
        data={"source": "digits"},
        optimizer={"lr": 2e-3, "betas": (0.5, 0.999), "batch_size": 64, "decay": "cosine", "ema": 0.998},
        budget={"steps": 3000},
    ),
)
