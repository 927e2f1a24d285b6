"""Invertible networks."""

from models.presets.preset import preset

ROWS = (
    preset(
        "flow-two-moons",
        "A neural spline flow on two interleaved half circles.",
        family={"family": "flow", "n_transforms": 3},
        data={"source": "two_moons"},
        optimizer={"lr": 2e-3, "batch_size": 512, "decay": "cosine"},
        budget={"steps": 2000},
    ),
    preset(
        "flow-eight-gaussians",
        "A neural spline flow on eight Gaussians on a circle.",
        family={"family": "flow", "transform": {"transform": "spline", "bins": 16}, "n_transforms": 3, "width": 128},
        data={"source": "eight_gaussians"},
        optimizer={"lr": 6e-3, "batch_size": 512, "decay": "cosine"},
        budget={"steps": 2500},
    ),
    preset(
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
)
