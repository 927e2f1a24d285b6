"""What papers report of data that are ours too, as the papers print it."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """A row of a paper's table."""

    source: str  # the data, as ours are called
    model: str
    modes_found: str
    high_quality: str
    where: str
    differs: str


VEEGAN = "[VEEGAN](https://arxiv.org/abs/1705.07761) (Srivastava et al., 2017)"
PACGAN = "[PacGAN](https://arxiv.org/abs/1712.04086) (Lin et al., 2017)"
THEIRS = "their networks and budget"

MODES = (
    Published("ring_gaussians", "GAN", "1", "99.3 %", VEEGAN, THEIRS),
    Published("ring_gaussians", "ALI", "2.8", "0.13 %", VEEGAN, THEIRS),
    Published("ring_gaussians", "Unrolled GAN", "7.6", "35.6 %", VEEGAN, THEIRS),
    Published("ring_gaussians", "VEEGAN", "8", "52.9 %", VEEGAN, THEIRS),
    Published("ring_gaussians", "GAN", "6.3 ± 0.5", "98.2 ± 0.2 %", PACGAN, THEIRS),
    Published("ring_gaussians", "PacGAN2", "7.9 ± 0.1", "95.6 ± 2.0 %", PACGAN, THEIRS),
    Published("ring_gaussians", "PacGAN4", "7.8 ± 0.1", "95.9 ± 1.4 %", PACGAN, THEIRS),
    Published("grid_gaussians", "GAN", "3.3", "0.5 %", VEEGAN, THEIRS),
    Published("grid_gaussians", "ALI", "15.8", "1.6 %", VEEGAN, THEIRS),
    Published("grid_gaussians", "Unrolled GAN", "23.6", "16 %", VEEGAN, THEIRS),
    Published("grid_gaussians", "VEEGAN", "24.6", "40 %", VEEGAN, THEIRS),
    Published("grid_gaussians", "GAN", "17.3 ± 0.8", "94.8 ± 0.7 %", PACGAN, THEIRS),
    Published("grid_gaussians", "PacGAN2", "23.8 ± 0.7", "91.3 ± 0.8 %", PACGAN, THEIRS),
    Published("grid_gaussians", "PacGAN4", "24.8 ± 0.2", "93.6 ± 0.6 %", PACGAN, THEIRS),
)

FASHION_FID = {  # AE-OT (An et al., 2020), table 2: FIDs of Fashion-MNIST; "Ours" is theirs
    "NS": "26.5 ± 1.6",
    "LS": "30.7 ± 2.2",
    "WGAN": "21.5 ± 1.6",
    "BEGAN": "22.9 ± 0.9",
    "VAE": "58.7 ± 1.2",
    "GLANN": "13.0 ± 0.1",
    "Ours": "10.1 ± 0.3",
}
