"""Named runs, a row each, with what each one reached in `benchmarks/presets.py`.

A preset is data: add a row, and the doors, the docs and the benchmark see it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from models.run import Run


class Preset(NamedTuple):
    """A run with a name."""

    name: str
    summary: str  # one line
    run: Run


def _preset(name: str, summary: str, **run: Any) -> Preset:
    return Preset(name, summary, Run.model_validate(run))


_ROWS = (
    # --- autoencoders: vae ---
    _preset(
        "vae-digits",
        "A variational autoencoder on 8x8 handwritten digits.",
        family={"family": "vae", "latent": 8, "width": 32, "likelihood": {"likelihood": "binomial"}},
        data={"source": "digits"},
        optimizer={"lr": 3e-3, "batch_size": 64, "decay": "cosine"},
        budget={"epochs": 30},
    ),
    _preset(
        "vae-two-moons",
        "A variational autoencoder on two interleaved half circles.",
        family={"family": "vae", "latent": 4, "width": 128, "depth": 4},
        data={"source": "two_moons"},
        optimizer={"lr": 6e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 5000},
    ),
    _preset(
        "vae-eight-gaussians",
        "A variational autoencoder on eight Gaussians on a circle.",
        family={"family": "vae", "latent": 4, "width": 128, "depth": 4},
        data={"source": "eight_gaussians"},
        optimizer={"lr": 6e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 5000},
    ),
    # --- autoencoders: wae ---
    _preset(
        "wae-digits",
        "A Wasserstein autoencoder on 8x8 handwritten digits.",
        family={"family": "wae", "latent": 8, "width": 32},
        data={"source": "digits"},
        optimizer={"lr": 2e-3, "betas": (0.5, 0.999), "batch_size": 100, "decay": "cosine"},
        budget={"epochs": 60},
    ),
    _preset(
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
    _preset(
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
    # --- adversarial: gan ---
    _preset(
        "gan-digits",
        "A generative adversarial network on 8x8 handwritten digits.",
        family={"family": "gan", "latent": 32, "width": 16, "game": {"game": "non_saturating", "gamma": 0.1}},
        data={"source": "digits"},
        optimizer={"lr": 1e-3, "betas": (0.5, 0.999), "batch_size": 64, "decay": "cosine", "ema": 0.998},
        budget={"steps": 3500},
    ),
    _preset(
        "gan-two-moons",
        "A generative adversarial network on two interleaved half circles.",
        family={"family": "gan"},
        data={"source": "two_moons"},
        optimizer={"lr": 1e-3, "betas": (0.5, 0.999), "batch_size": 256, "decay": "cosine"},
        budget={"steps": 3000},
    ),
    _preset(
        "gan-eight-gaussians",
        "A generative adversarial network on eight Gaussians: no mode is lost.",
        family={"family": "gan"},
        data={"source": "eight_gaussians"},
        optimizer={"lr": 1e-3, "betas": (0.5, 0.999), "batch_size": 256, "decay": "cosine"},
        budget={"steps": 4500},
    ),
    # --- flows: flow ---
    _preset(
        "flow-two-moons",
        "A neural spline flow on two interleaved half circles.",
        family={"family": "flow", "n_transforms": 3},
        data={"source": "two_moons"},
        optimizer={"lr": 2e-3, "batch_size": 512, "decay": "cosine"},
        budget={"steps": 2000},
    ),
    _preset(
        "flow-eight-gaussians",
        "A neural spline flow on eight Gaussians on a circle.",
        family={"family": "flow", "transform": {"transform": "spline", "bins": 16}, "n_transforms": 3, "width": 128},
        data={"source": "eight_gaussians"},
        optimizer={"lr": 6e-3, "batch_size": 512, "decay": "cosine"},
        budget={"steps": 2500},
    ),
    _preset(
        "flow-digits",
        "An autoregressive spline flow on dequantized 8x8 handwritten digits.",
        family={
            "family": "flow",
            "transform": {"transform": "spline", "bins": 16},
            "scheme": "autoregressive",
            "n_transforms": 2,
            "width": 256,
            "depth": 1,
        },
        data={"source": "digits"},
        optimizer={"lr": 5e-3, "batch_size": 64, "ema": 0.995},  # no decay: averaged noisy steps overfit later
        budget={"steps": 900},
    ),
    # --- diffusion ---
    _preset(
        "diffusion-digits",
        "A denoising diffusion of 8x8 handwritten digits: a small UNet, 50 DDIM steps.",
        family={"family": "diffusion"},
        data={"source": "digits"},
        optimizer={"lr": 4e-3, "batch_size": 64, "decay": "cosine"},
        budget={"steps": 1800},
    ),
    _preset(
        "diffusion-two-moons",
        "A denoising diffusion of two interleaved half circles, with their density.",
        family={"family": "diffusion"},
        data={"source": "two_moons"},
        optimizer={"lr": 5e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 4000},
    ),
    _preset(
        "diffusion-eight-gaussians",
        "A denoising diffusion of eight Gaussians on a circle, with their density.",
        family={"family": "diffusion"},
        data={"source": "eight_gaussians"},
        optimizer={"lr": 5e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 4000},
    ),
)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in _ROWS}
