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
RING = "a ring of radius 1 with standard deviation 0.01; their networks and budget"
GRID = "the same grid and standard deviation; their networks and budget"

MODES = (
    Published("eight_gaussians", "GAN", "1", "99.3 %", VEEGAN, RING),
    Published("eight_gaussians", "ALI", "2.8", "0.13 %", VEEGAN, RING),
    Published("eight_gaussians", "Unrolled GAN", "7.6", "35.6 %", VEEGAN, RING),
    Published("eight_gaussians", "VEEGAN", "8", "52.9 %", VEEGAN, RING),
    Published("grid_gaussians", "GAN", "3.3", "0.5 %", VEEGAN, GRID),
    Published("grid_gaussians", "ALI", "15.8", "1.6 %", VEEGAN, GRID),
    Published("grid_gaussians", "Unrolled GAN", "23.6", "16 %", VEEGAN, GRID),
    Published("grid_gaussians", "VEEGAN", "24.6", "40 %", VEEGAN, GRID),
)
