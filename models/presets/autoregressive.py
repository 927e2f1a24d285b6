"""Presets of autoregressive models: exact likelihoods of data with levels."""

from pushforward.models.presets.preset import preset

ROWS = (
    preset(
        "made-digits",
        "MADE, a masked perceptron, on 8x8 handwritten digits: exact likelihoods in one call.",
        family={"family": "autoregressive", "network": {"network": "made", "width": 256, "depth": 1}},
        data={"source": "digits"},
        optimizer={"lr": 3e-3, "batch_size": 64, "decay": "cosine"},
        budget={"epochs": 40},
    ),
    preset(
        "pixelcnn-digits",
        "A gated PixelCNN on 8x8 handwritten digits, a probability for each of 17 gray values.",
        family={"family": "autoregressive", "network": {"network": "pixelcnn", "width": 24, "depth": 5}},
        data={"source": "digits"},
        optimizer={"lr": 5e-3, "batch_size": 64, "decay": "cosine"},
        budget={"epochs": 45},
    ),
    preset(
        "pixelcnn-logistic-digits",
        "A gated PixelCNN on 8x8 handwritten digits with mixtures of discretized logistics, as PixelCNN++ has them.",
        family={
            "family": "autoregressive",
            "network": {"network": "pixelcnn", "width": 24, "depth": 5},
            "likelihood": {"likelihood": "discretized_logistic", "components": 5},
        },
        data={"source": "digits"},
        optimizer={"lr": 5e-3, "batch_size": 64, "decay": "cosine"},
        budget={"epochs": 45},
    ),
    preset(
        "conditional-pixelcnn-digits",
        "A gated PixelCNN on 8x8 handwritten digits, given which digit to draw.",
        family={"family": "autoregressive", "network": {"network": "pixelcnn", "width": 24, "depth": 5}},
        data={"source": "digits", "condition": "label"},
        optimizer={"lr": 5e-3, "batch_size": 64, "decay": "cosine"},
        budget={"epochs": 45},
    ),
)
