"""scikit-learn's interface over the service: densities, transformers and outlier detectors that it trains and serves.

GenerativeModel("flow", steps=1000).fit(X).score_samples(X)

`fit` uploads the rows, trains and waits; other methods ask the model that came of it. The same rows, run and seed are
the same job, so that a second `fit` finds what the first one trained. Scores and codes are float32 arithmetic.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from abc import ABC
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, DensityMixin, OutlierMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from pushforward.client import Client
from pushforward.client.answers import ModelCard
from pushforward.client.bodies import NPY
from pushforward.client.errors import NotFound
from pushforward.client.sync.model import Model

LEAST_ROWS = 10  # below, none can be held out
Method = TypeVar("Method", bound=Callable[..., Any])
Floats = NDArray[np.float64]


class ServiceEstimator(BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn has no types
    """Trains by the service, and asks it. Subclasses say what for."""

    model_: str  # name@version
    job_: str
    card_: ModelCard
    metrics_: Mapping[str, Any]

    def __init__(
        self,
        family: str = "flow",
        *,
        preset: str | None = None,
        run: Mapping[str, Any] | None = None,
        steps: int = 2000,
        seed: int = 0,
        model: str | None = None,
        url: str | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self.family = family
        self.preset = preset
        self.run = run
        self.steps = steps
        self.seed = seed
        self.model = model
        self.url = url
        self.timeout_s = timeout_s

    def _client(self) -> Client:
        """The key is read from PUSHFORWARD_API_KEY, so that no estimator holds or shows one."""
        return Client(self.url)

    def _train(self, x: Floats) -> None:
        with self._client() as client, tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "rows.npy"
            np.save(file, x)
            name = f"sklearn-{hashlib.sha256(file.read_bytes()).hexdigest()[:24]}"
            try:
                client.datasets.get(name)
            except NotFound:
                client.datasets.put(name, file, NPY)
            asked: dict[str, Any] = {"preset": self.preset, "run": self._run(name)}
            model = self.model or name
            key = hashlib.sha256(json.dumps([model, asked], sort_keys=True).encode()).hexdigest()
            job = client.jobs.wait(client.train(model, **asked, idempotency_key=key).id, timeout_s=self.timeout_s)
            try:
                card = client.models.get(job.reference)
            except NotFound:  # trained before, and deleted since
                job = client.jobs.wait(client.train(model, **asked).id, timeout_s=self.timeout_s)
                card = client.models.get(job.reference)
        self._take(card)

    def _take(self, card: ModelCard) -> None:
        self.card_, self.model_, self.job_, self.metrics_ = card, card.reference, card.job, card.metrics

    def _run(self, dataset: str) -> dict[str, Any]:
        data = {"source": "npy", "dataset": dataset}
        own = {} if self.preset is not None else {"family": {"family": self.family}, "budget": {"steps": self.steps}}
        return {**own, "seed": self.seed, **(self.run or {}), "data": data}

    def _asked(self, client: Client) -> Model:
        check_is_fitted(self, "model_")
        return client.model(self.model_)

    def score_samples(self, X: ArrayLike) -> Floats:
        """log p(x) of each row in nats: exact, a bound or an estimate, as the family has it."""
        check_is_fitted(self, "model_")
        x = validate_data(self, X, dtype=np.float64, reset=False)
        with self._client() as client:
            return self._asked(client).log_prob(x).log_prob


def _can(capability: str) -> Callable[[Method], Method]:
    """Whether the model answers an operation; of one that is not trained yet that is not known."""

    def check(estimator: ServiceEstimator) -> bool:
        card = getattr(estimator, "card_", None)
        return card is None or capability in card.capabilities

    decorate: Callable[[Method], Method] = available_if(check)
    return decorate


@final
class GenerativeModel(ClassNamePrefixFeaturesOutMixin, TransformerMixin, DensityMixin, ServiceEstimator):  # type: ignore[misc]  # no types
    """A density and a transformer to latent codes: `score_samples`, `transform`, `sample`.

    family, steps, seed: of the training; `preset` and `run` (fields of a run) instead or beside.
    model: its name; by default one made of the rows. url: PUSHFORWARD_URL by default.
    """

    n_latent_: int

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Upload the rows, train, wait. `y` is not used. Raises JobFailed, and what the client raises."""
        self._train(validate_data(self, X, dtype=np.float64, ensure_min_samples=LEAST_ROWS))
        return self

    def _take(self, card: ModelCard) -> None:
        super()._take(card)
        self.n_latent_ = int(np.prod(card.latent_shape)) if card.latent_shape else 0

    @classmethod
    def from_model(cls, reference: str, *, url: str | None = None) -> Self:
        """The estimator of a model of rows that is there: `from_model("wine@3")`. Raises NotFound, ValueError."""
        with Client(url) as client:
            card = client.models.get(reference)
        if card.spec["table"] is not None or len(card.spec["shape"]) != 1:
            raise ValueError(f"{card.reference} is not one of rows of numbers; scikit-learn's arrays have two axes")
        made = cls(card.family, model=card.model, url=url)
        made.n_features_in_ = card.spec["shape"][0]
        made._take(card)
        return made

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """The mean of `score_samples`, so that it does not grow with the rows."""
        return float(np.mean(self.score_samples(X)))

    @_can("sample")
    def sample(self, n_samples: int = 1, random_state: Any = None, condition: Any = None) -> Floats:
        """New rows, (n_samples, n_features)."""
        seed = int(check_random_state(random_state).randint(2**31))
        with self._client() as client:
            drawn = self._asked(client).sample(n_samples, seed=seed, condition=condition).x
        return np.asarray(drawn, np.float64)

    @_can("encode")
    def transform(self, X: ArrayLike) -> Floats:
        """The latent code of each row, (n, n_latent_)."""
        check_is_fitted(self, "model_")
        x = validate_data(self, X, dtype=np.float64, reset=False)
        with self._client() as client:
            return np.asarray(self._asked(client).encode(x), np.float64).reshape(len(x), -1)

    @_can("decode")
    def inverse_transform(self, X: ArrayLike) -> Floats:
        """The row of each latent code."""
        check_is_fitted(self, "model_")
        z = np.asarray(X, np.float64).reshape(-1, *(self.card_.latent_shape or ()))
        with self._client() as client:
            return np.asarray(self._asked(client).decode(z), np.float64)

    @_can("reconstruct")
    def reconstruct(self, X: ArrayLike) -> Floats:
        """Each row by way of its code."""
        check_is_fitted(self, "model_")
        x = validate_data(self, X, dtype=np.float64, reset=False)
        with self._client() as client:
            return np.asarray(self._asked(client).reconstruct(x), np.float64)

    @property
    def _n_features_out(self) -> int:
        return self.n_latent_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # float64 comes back, of float32 arithmetic
        return tags


# scikit-learn wraps `transform` for `set_output`, and so hides that a family lacks it.
GenerativeModel.transform = _can("encode")(GenerativeModel.transform)  # type: ignore[method-assign]


@final
class GenerativeOutlierDetector(OutlierMixin, ServiceEstimator):  # type: ignore[misc]  # no types
    """Rows are odd where log p(x) is low: `predict` gives -1 for them, 1 for others.

    contamination: the share of the training rows that are flagged; or "auto": rows less likely than 99 % of those that
    were held out from the training.
    """

    offset_: float

    def __init__(
        self,
        family: str = "flow",
        *,
        contamination: float | str = 0.1,
        preset: str | None = None,
        run: Mapping[str, Any] | None = None,
        steps: int = 2000,
        seed: int = 0,
        model: str | None = None,
        url: str | None = None,
        timeout_s: float | None = None,
    ) -> None:
        super().__init__(
            family, preset=preset, run=run, steps=steps, seed=seed, model=model, url=url, timeout_s=timeout_s
        )
        self.contamination = contamination

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Upload the rows, train, wait, and set `offset_`. `y` is not used."""
        if self.contamination != "auto" and not 0 < float(self.contamination) <= 0.5:
            raise ValueError(f"contamination must be 'auto' or in (0, 0.5], got {self.contamination!r}")
        x = validate_data(self, X, dtype=np.float64, ensure_min_samples=LEAST_ROWS)
        self._train(x)
        if self.contamination == "auto":
            with self._client() as client:
                threshold = self._asked(client).score(x[:1]).threshold
            self.offset_ = -np.inf if threshold is None else threshold
        else:
            self.offset_ = float(np.percentile(self.score_samples(x), 100 * float(self.contamination)))
        return self

    def decision_function(self, X: ArrayLike) -> Floats:
        """`score_samples` above the offset; negative for odd rows."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """-1 for odd rows, 1 for others."""
        return np.where(self.decision_function(X) < 0, -1, 1)
