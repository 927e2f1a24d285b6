"""Presets of flow matching."""

from pushforward.models.presets.preset import preset

ROWS = (
    preset(
        "flow-matching-two-moons",
        "Flow matching of two interleaved half circles.",
        family={"family": "flow_matching"},
        data={"source": "two_moons"},
        optimizer={"lr": 4e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 4000},
    ),
    preset(
        "flow-matching-eight-gaussians",
        "Flow matching of eight Gaussians on a circle.",
        family={"family": "flow_matching"},
        data={"source": "eight_gaussians"},
        optimizer={"lr": 5e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 4000},
    ),
    preset(
        "flow-matching-checkerboard",
        "Flow matching of a checkerboard, whose edges waves make sharp.",
        family={"family": "flow_matching", "waves": 60.0},
        data={"source": "checkerboard"},
        optimizer={"lr": 5e-3, "batch_size": 1024, "decay": "cosine"},
        budget={"steps": 3000},
    ),
    preset(
        "flow-matching-grid-gaussians",
        "Flow matching of twenty-five narrow Gaussians on a grid, distinguished by waves.",
        family={"family": "flow_matching", "waves": 20.0},
        data={"source": "grid_gaussians"},
        optimizer={"lr": 5e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 5000},
    ),
    preset(
        "lipman-flow-matching-two-moons",
        "Flow matching along Lipman's path, which ends in the data with a little noise.",
        family={"family": "flow_matching", "path": {"path": "lipman"}},
        data={"source": "two_moons"},
        optimizer={"lr": 4e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 4000},
    ),
    preset(
        "ot-flow-matching-two-moons",
        "Flow matching of two half circles, noise and data paired by optimal transport: straighter paths.",
        family={"family": "flow_matching", "coupling": {"coupling": "minibatch_ot"}},
        data={"source": "two_moons"},
        optimizer={"lr": 4e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 3000},
    ),
    preset(
        "ot-flow-matching-eight-gaussians",
        "Flow matching of eight Gaussians, noise and data paired by optimal transport: straighter paths.",
        family={"family": "flow_matching", "coupling": {"coupling": "minibatch_ot"}},
        data={"source": "eight_gaussians"},
        optimizer={"lr": 5e-3, "batch_size": 256, "decay": "cosine"},
        budget={"steps": 3000},
    ),
    preset(
        "flow-matching-digits",
        "Flow matching of 8x8 handwritten digits: a small UNet.",
        family={"family": "flow_matching"},
        data={"source": "digits"},
        optimizer={"lr": 4e-3, "batch_size": 64, "decay": "cosine"},
        budget={"steps": 1800},
    ),
    preset(
        "guided-flow-matching-digits",
        "Flow matching of 8x8 handwritten digits given their labels, with classifier-free guidance.",
        family={"family": "flow_matching", "drop": 0.15},
        data={"source": "digits", "condition": "label"},
        optimizer={"lr": 4e-3, "batch_size": 64, "decay": "cosine"},
        budget={"steps": 1800},
    ),
)
