"""Fashion-MNIST: 60,000 articles of clothing, 28x28, from `fashion-mnist` under the data root.

Debian's package dataset-fashion-mnist installs it: `pushforward up --data-root /usr/share/datasets`.
Perceptrons, for a minute on one core; UNets and convolutions of few channels, for five to ten.

References:
    | Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms (Xiao et al., 2017),
      https://arxiv.org/abs/1708.07747
"""

from pushforward.models.presets.adversarial import PROGRESSIVE, SPECTRAL
from pushforward.models.presets.preset import preset

DATA = {"source": "idx", "path": "fashion-mnist"}
VAE = {"family": "vae", "network": "perceptron", "latent": 20, "width": 400, "depth": 1}
DCGAN = {"family": "gan", "latent": 64, "width": 8, "network": {"network": "dcgan"}}
FAST = {"lr": 1e-3, "betas": (0.5, 0.999), "batch_size": 64, "decay": "cosine", "ema": 0.998}

ROWS = (
    preset(
        "vae-fashion-mnist",
        "A variational autoencoder on Fashion-MNIST: gray values as probabilities, as in the paper of 2013.",
        family={**VAE, "likelihood": {"likelihood": "bernoulli"}},
        data=DATA,
        optimizer={"lr": 2e-3, "batch_size": 128, "decay": "cosine"},
        budget={"epochs": 10},
    ),
    preset(
        "vae-discretized-logistic-fashion-mnist",
        "A variational autoencoder on Fashion-MNIST that bounds the probability of the levels themselves.",
        family={**VAE, "likelihood": {"likelihood": "discretized_logistic"}},
        data=DATA,
        optimizer={"lr": 2e-3, "batch_size": 128, "decay": "cosine"},
        budget={"epochs": 6},
    ),
    preset(
        "conditional-vae-fashion-mnist",
        "A conditional variational autoencoder on Fashion-MNIST, given the kind of article.",
        family={**VAE, "likelihood": {"likelihood": "bernoulli"}},
        data={**DATA, "condition": "label"},
        optimizer={"lr": 2e-3, "batch_size": 128, "decay": "cosine"},
        budget={"epochs": 10},
    ),
    preset(
        "made-fashion-mnist",
        "MADE on Fashion-MNIST with mixtures of discretized logistics: the exact probability of every image.",
        family={
            "family": "autoregressive",
            "network": {"network": "made", "width": 784},
            "likelihood": {"likelihood": "discretized_logistic", "components": 3},
        },
        data=DATA,
        optimizer={"lr": 2e-3, "batch_size": 128, "decay": "cosine"},
        budget={"epochs": 2},
    ),
    preset(
        "diffusion-fashion-mnist",
        "A denoising diffusion of Fashion-MNIST: a UNet of few channels, for ten minutes on one core.",
        family={"family": "diffusion", "width": 8},
        data=DATA,
        optimizer={"lr": 4e-3, "batch_size": 64, "decay": "cosine"},
        budget={"steps": 2000},
    ),
    preset(
        "flow-matching-fashion-mnist",
        "Flow matching of Fashion-MNIST: a UNet of few channels, for ten minutes on one core.",
        family={"family": "flow_matching", "width": 8},
        data=DATA,
        optimizer={"lr": 4e-3, "batch_size": 64, "decay": "cosine"},
        budget={"steps": 2000},
    ),
    preset(
        "gan-fashion-mnist",
        "A generative adversarial network on Fashion-MNIST: convolutions of few channels.",
        family={"family": "gan", "latent": 64, "width": 8, "game": {"game": "non_saturating", "gamma": 0.1}},
        data=DATA,
        optimizer={"lr": 1e-3, "betas": (0.5, 0.999), "batch_size": 64, "decay": "cosine", "ema": 0.998},
        budget={"steps": 3000},
    ),
    preset(
        "gan-mlp-fashion-mnist",
        "A generative adversarial network of perceptrons on Fashion-MNIST.",
        family={"family": "gan", "latent": 64, "width": 256, "network": {"network": "mlp"}},
        data=DATA,
        optimizer={"lr": 5e-4, "betas": (0.5, 0.999), "batch_size": 64, "decay": "cosine", "ema": 0.998},
        budget={"steps": 10000},
    ),
    preset(
        "dcgan-fashion-mnist",
        "A deep convolutional adversarial network on Fashion-MNIST: few channels, for five minutes on one core.",
        family=DCGAN,
        data=DATA,
        optimizer=FAST,
        budget={"steps": 5000},
    ),
    preset(
        "lsgan-fashion-mnist",
        "A least-squares adversarial network on Fashion-MNIST, of the networks of `dcgan-fashion-mnist`.",
        family={**DCGAN, "game": {"game": "least_squares"}},
        data=DATA,
        optimizer=FAST,
        budget={"steps": 5000},
    ),
    preset(
        "wgan-gp-fashion-mnist",
        "A Wasserstein adversarial network on Fashion-MNIST, of the networks of `dcgan-fashion-mnist`.",
        family={**DCGAN, "game": {"game": "wasserstein"}},
        data=DATA,
        optimizer=FAST,
        budget={"steps": 5000},
    ),
    preset(
        "residual-gan-fashion-mnist",
        "A residual adversarial network on Fashion-MNIST: the hinge game, few channels, for nine minutes on one core.",
        family={**SPECTRAL, "latent": 64, "width": 8},
        data=DATA,
        optimizer={**FAST, "betas": (0.0, 0.9)},
        budget={"steps": 3500},
    ),
    preset(
        "glann-fashion-mnist",
        "Generative latent nearest neighbors on Fashion-MNIST: few channels, for eight minutes on one core.",
        family={"family": "glann", "latent": 20, "width": 8},
        data=DATA,
        optimizer={"lr": 4e-3, "batch_size": 128, "decay": "cosine"},
        budget={"epochs": 10},
    ),
    preset(
        "ae-ot-fashion-mnist",
        "An autoencoder and an optimal transport to its codes on Fashion-MNIST, for five minutes on one core.",
        family={"family": "ae_ot", "latent": 20, "width": 8, "draws": 256},
        data=DATA,
        optimizer={"lr": 2e-3, "batch_size": 128, "decay": "cosine"},
        budget={"epochs": 4},
    ),
    preset(
        "progan-fashion",
        "A progressively grown adversarial network on Fashion-MNIST: images of 4x4, 8x8, 16x16, then of 28x28.",
        family={**PROGRESSIVE, "latent": 64, "width": 8},
        data=DATA,
        optimizer={"lr": 4e-3, "betas": (0.0, 0.99), "batch_size": 32, "decay": "cosine", "ema": 0.998},
        budget={"steps": 3500},
    ),
)
