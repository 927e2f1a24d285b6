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
        family={"family": "vae", "latent": 16, "width": 32},
        data={"source": "digits"},
        budget={"epochs": 60},
    ),
    # --- autoencoders: wae ---
    # --- adversarial: gan ---
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
        family={"family": "flow", "n_transforms": 3},
        data={"source": "eight_gaussians"},
        optimizer={"lr": 2e-3, "batch_size": 512, "decay": "cosine"},
        budget={"steps": 2000},
    ),
    _preset(
        "flow-digits",
        "A neural spline flow on dequantized 8x8 handwritten digits.",
        family={"family": "flow", "n_transforms": 4, "width": 64},
        data={"source": "digits"},
        optimizer={"lr": 2e-3, "batch_size": 128, "decay": "cosine", "ema": 0.98},
        budget={"steps": 500},
    ),
    # --- diffusion ---
)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in _ROWS}
