"""From noise to data in many steps."""

from models.presets.preset import preset

ROWS = (
    preset(
        "diffusion-digits",
        "A denoising diffusion of 8x8 handwritten digits: a small UNet, 50 DDIM steps.",
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
)
