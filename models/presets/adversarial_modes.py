"""Presets of adversarial games that find all modes: eight narrow Gaussians on a ring, twenty-five on a grid.

What each finds over five seeds, beside games that lose modes: docs/results/modes.md.

References:
    | PacGAN: The power of two samples in generative adversarial networks (Lin et al., 2017), arXiv:1712.04086
    | Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018), https://arxiv.org/abs/1801.04406
    | Improved Training of Wasserstein GANs (Gulrajani et al., 2017), https://arxiv.org/abs/1704.00028
    | Demystifying MMD GANs (Bińkowski et al., 2018), https://arxiv.org/abs/1801.01401
    | The Cramer Distance as a Solution to Biased Wasserstein Gradients (Bellemare et al., 2017), arXiv:1705.10743
    | Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), https://arxiv.org/abs/1802.05957
"""

from typing import Any

from pushforward.models.presets.preset import Preset, preset

PERCEPTRONS = {"family": "gan", "latent": 2, "width": 128, "depth": 5}
SLOPES = [{"regularizer": "r1", "gamma": 3e-3}, {"regularizer": "r2", "gamma": 3e-3}]
BETWEEN = [{"regularizer": "gradient_penalty", "weight": 0.1}]
ON = {"ring": "eight narrow Gaussians on a ring", "grid": "twenty-five narrow Gaussians on a grid"}


def on_both(name: str, what: str, family: dict[str, Any], steps: dict[str, int], batch_size: int = 256) -> list[Preset]:
    """A game on the ring and on the grid."""
    return [
        preset(
            f"{name}-{data}-gaussians",
            f"{what} on {title}: no mode is lost.",
            family={**PERCEPTRONS, **family},
            data={"source": f"{data}_gaussians"},
            optimizer={"lr": 2e-3, "betas": (0.0, 0.99), "batch_size": batch_size, "decay": "cosine"},
            budget={"steps": steps[data]},
        )
        for data, title in ON.items()
    ]


ROWS = (
    *on_both(
        "gan",
        "A non-saturating adversarial network, its critic's slope held at data and fakes,",
        {"regularizers": SLOPES},
        {"ring": 4_000, "grid": 10_000},
    ),
    *on_both(
        "wgan-gp",
        "A Wasserstein adversarial network with a gradient penalty",
        {"game": {"game": "wasserstein"}, "regularizers": BETWEEN},
        {"ring": 4_000, "grid": 10_000},
    ),
    *on_both(
        "mmd-gan",
        "An adversarial network for the maximum mean discrepancy of features",
        {"game": {"game": "mmd"}, "regularizers": BETWEEN},
        {"ring": 5_000, "grid": 9_000},
        batch_size=128,
    ),
    *on_both(
        "cramer-gan",
        "An adversarial network for the energy distance of features",
        {"game": {"game": "cramer", "features": 16}, "regularizers": BETWEEN},
        {"ring": 5_000, "grid": 9_000},
        batch_size=128,
    ),
    *on_both(
        "hinge-gan",
        "A hinge adversarial network with spectral norms",
        {"game": {"game": "hinge"}, "regularizers": [{"regularizer": "spectral_norm"}]},
        {"ring": 5_000, "grid": 10_000},
    ),
    *on_both(
        "pacgan",
        "PacGAN: a critic that judges two rows together,",
        {"regularizers": [*SLOPES, {"regularizer": "packing", "rows": 2}]},
        {"ring": 4_000, "grid": 10_000},
    ),
)
