"""Presets of generative adversarial networks.

References:
    | Unsupervised Representation Learning with Deep Convolutional GANs (Radford et al., 2015), arXiv:1511.06434
    | Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), https://arxiv.org/abs/1802.05957
    | Progressive Growing of GANs for Improved Quality, Stability, and Variation (Karras et al., 2017), arXiv:1710.10196
    | InfoGAN (Chen et al., 2016), https://arxiv.org/abs/1606.03657
"""

from pushforward.models.presets.preset import preset

PROGRESSIVE = {
    "family": "gan",
    "network": {"network": "progressive"},
    "game": {"game": "wasserstein"},
    "regularizers": [
        {"regularizer": "gradient_penalty"},
        {"regularizer": "drift"},
        {"regularizer": "minibatch_deviation"},
    ],
}

SPECTRAL = {
    "family": "gan",
    "network": {"network": "residual"},
    "game": {"game": "hinge"},
    "regularizers": [{"regularizer": "spectral_norm"}],
}

ROWS = (
    preset(
        "gan-digits",
        "A generative adversarial network on 8x8 handwritten digits.",
        family={"family": "gan", "latent": 32, "width": 16, "game": {"game": "non_saturating", "gamma": 0.1}},
        data={"source": "digits"},
        optimizer={"lr": 1e-3, "betas": (0.5, 0.999), "batch_size": 64, "decay": "cosine", "ema": 0.998},
        budget={"steps": 3500},
    ),
    preset(
        "gan-mlp-digits",
        "A generative adversarial network of perceptrons on 8x8 handwritten digits.",
        family={"family": "gan", "latent": 32, "width": 256, "network": {"network": "mlp"}},
        data={"source": "digits"},
        optimizer={"lr": 1e-3, "betas": (0.5, 0.999), "batch_size": 64, "decay": "cosine", "ema": 0.998},
        budget={"steps": 6000},
    ),
    preset(
        "dcgan-digits",
        "A deep convolutional adversarial network on 8x8 handwritten digits: batch normalization in its generator.",
        family={"family": "gan", "latent": 32, "width": 16, "network": {"network": "dcgan"}},
        data={"source": "digits"},
        optimizer={"lr": 1e-3, "betas": (0.5, 0.999), "batch_size": 64, "decay": "cosine", "ema": 0.998},
        budget={"steps": 4000},
    ),
    preset(
        "residual-gan-digits",
        "A residual adversarial network on 8x8 handwritten digits: the hinge game, spectral norms in the critic.",
        family={**SPECTRAL, "latent": 32, "width": 16},
        data={"source": "digits"},
        optimizer={"lr": 1e-3, "betas": (0.0, 0.9), "batch_size": 64, "decay": "cosine", "ema": 0.998},
        budget={"steps": 4000},
    ),
    preset(
        "gan-two-moons",
        "A generative adversarial network on two interleaved half circles.",
        family={"family": "gan"},
        data={"source": "two_moons"},
        optimizer={"lr": 1e-3, "betas": (0.5, 0.999), "batch_size": 256, "decay": "cosine"},
        budget={"steps": 3000},
    ),
    preset(
        "gan-eight-gaussians",
        "A generative adversarial network on eight Gaussians: no mode is lost.",
        family={"family": "gan"},
        data={"source": "eight_gaussians"},
        optimizer={"lr": 1e-3, "betas": (0.5, 0.999), "batch_size": 256, "decay": "cosine"},
        budget={"steps": 4500},
    ),
    preset(
        "text-digits",
        "Text to image: handwritten digits, thick, slanted or inverted, from a caption.",
        family={"family": "text_to_image", "width": 16},
        data={"source": "captioned_digits", "condition": "text"},
        optimizer={"lr": 1e-3, "betas": (0.5, 0.999), "batch_size": 64, "decay": "cosine", "ema": 0.998},
        budget={"steps": 3000},
    ),
    preset(
        "puzzle-digits",
        "Puzzle-GAN: handwritten digits from three patches in no order.",
        family={"family": "puzzle_gan", "side": 4, "width": 32},
        data={"source": "digits"},
        optimizer={"lr": 2e-3, "betas": (0.5, 0.999), "batch_size": 64, "decay": "cosine", "ema": 0.998},
        budget={"steps": 3000},
    ),
    preset(
        "progan-digits",
        "A progressively grown adversarial network on 8x8 handwritten digits: images of 4x4 first, then of 8x8.",
        family={**PROGRESSIVE, "latent": 32, "width": 16},
        data={"source": "digits"},
        optimizer={"lr": 3e-3, "betas": (0.0, 0.99), "batch_size": 64, "decay": "cosine", "ema": 0.998},
        budget={"steps": 3000},
    ),
    preset(
        "infogan-digits",
        "An InfoGAN on 8x8 handwritten digits: ten categories and two continuous codes, found without labels.",
        family={"family": "infogan", "latent": 32, "width": 16},
        data={"source": "digits"},
        optimizer={"lr": 1e-3, "betas": (0.5, 0.999), "batch_size": 64, "decay": "cosine", "ema": 0.998},
        budget={"steps": 5000},
    ),
)
