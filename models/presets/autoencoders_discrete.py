"""Presets of autoencoders with categorical codes, by three gradient estimators."""

from pushforward.models.presets.preset import preset

ROWS = tuple(
    preset(
        f"{name}-vae-digits",
        summary,
        family={
            "family": "discrete_vae",
            "codes": 20,
            "categories": 10,
            "width": 32,
            "likelihood": {"likelihood": "binomial"},
            "estimator": {"estimator": estimator},
        },
        data={"source": "digits"},
        optimizer={"lr": 3e-3, "batch_size": 64, "decay": "cosine"},
        budget={"epochs": 30},
    )
    for name, estimator, summary in (
        ("gumbel", "gumbel_softmax", "A discrete autoencoder of 8x8 digits, trained with relaxed codes."),
        (
            "straight-through",
            "straight_through",
            "A discrete autoencoder of 8x8 digits, trained straight through.",
        ),
        (
            "reinforce",
            "reinforce",
            "A discrete autoencoder of 8x8 digits, trained with the score function.",
        ),
    )
)
