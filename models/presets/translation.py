"""Presets of translators between domains."""

from pushforward.models.presets.preset import preset

GAME = {"game": "non_saturating"}

ROWS = (
    preset(
        "cyclegan-moons",
        "CycleGAN between two moons and two moons turned by 90 degrees: it finds a quarter turn.",
        family={"family": "cyclegan", "game": GAME, "identity": 0, "critic_lr_ratio": 2},
        data={"source": "turned_moons", "condition": "label"},
        optimizer={"lr": 1e-3, "batch_size": 128},
        budget={"steps": 1200},
    ),
    preset(
        "cyclegan-digits-thick",
        "CycleGAN between handwritten digits and thick ones, no digit in both.",
        family={"family": "cyclegan", "width": 16, "game": GAME, "critic_lr_ratio": 2},
        data={"source": "styled_digits", "styles": ("plain", "thick"), "condition": "label"},
        optimizer={"lr": 1e-3, "batch_size": 64},
        budget={"steps": 1000},
    ),
    preset(
        "stargan-digits-styles",
        "StarGAN among three styles of handwritten digits: plain, thick, slanted.",
        family={"family": "stargan", "width": 16, "critic_steps": 2, "critic_lr_ratio": 2},
        data={"source": "styled_digits", "styles": ("plain", "thick", "slanted"), "condition": "label"},
        optimizer={"lr": 1e-3, "batch_size": 128},
        budget={"steps": 900},
    ),
)
