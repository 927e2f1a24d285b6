"""Fashion-MNIST: 60,000 articles of clothing, 28x28, from `fashion-mnist` under the data root.

Debian's package dataset-fashion-mnist installs it: `pushforward up --data-root /usr/share/datasets`.
Perceptrons, for a minute on one core.

References:
    | Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms (Xiao et al., 2017),
      https://arxiv.org/abs/1708.07747
"""

from models.presets.preset import preset

DATA = {"source": "idx", "path": "fashion-mnist"}
VAE = {"family": "vae", "network": "perceptron", "latent": 20, "width": 400, "depth": 1}

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
)
