r"""p(x|z): how a decoder's output y becomes a distribution over data.

| likelihood             | for                 | `log_prob` is the logarithm of                                    |
|------------------------|---------------------|-------------------------------------------------------------------|
| `gaussian`             | all but counts      | a density; with levels, the probability of the level's bin        |
| `bernoulli`            | bounded data        | a probability: a gray value is that of an element being on        |
| `binomial`             | data with levels    | the probability of the level: a count                             |
| `categorical`          | up to 256 levels    | the probability of the level: a table                             |
| `discretized_logistic` | data with levels    | the probability of the level: the bin of a mixture of logistics   |
| `poisson`              | counts              | the probability of the count                                      |
| `negative_binomial`    | counts              | the probability of the count, of a variance above the mean        |
"""

from typing import Annotated

from pydantic import Field

from pushforward.models.likelihoods.base import ConditionalLikelihood
from pushforward.models.likelihoods.binary import Bernoulli, Binomial
from pushforward.models.likelihoods.counts import NegativeBinomial, Poisson
from pushforward.models.likelihoods.discrete import Categorical, DiscretizedLogistic
from pushforward.models.likelihoods.gaussian import Gaussian

AnyLikelihood = Annotated[
    Bernoulli | Binomial | Gaussian | Categorical | DiscretizedLogistic | Poisson | NegativeBinomial,
    Field(discriminator="likelihood"),
]
AnyDiscreteLikelihood = Annotated[Categorical | DiscretizedLogistic, Field(discriminator="likelihood")]

__all__ = [
    "AnyDiscreteLikelihood",
    "AnyLikelihood",
    "Bernoulli",
    "Binomial",
    "Categorical",
    "ConditionalLikelihood",
    "DiscretizedLogistic",
    "Gaussian",
    "NegativeBinomial",
    "Poisson",
]
