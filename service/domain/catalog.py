"""Models and workers as the service keeps them: their cards, names and heartbeats. Plain data."""

from typing import Annotated

from pydantic import StringConstraints

from pushforward.models.config.json_float import JsonFloat
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.storage.card import Curve
from pushforward.models.storage.evaluation import EvaluationReport
from pushforward.models.storage.recorded import RecordedRun
from pushforward.models.tables.table import Measure
from pushforward.service.domain.inference import PROTOCOL, Op
from pushforward.service.domain.record import Record

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
REFERENCE_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}(@[1-9][0-9]{0,8})?$"
NAME_FORM = "must be lowercase letters, digits, - and _, at most 63, the first a letter or a digit"
REFERENCE_FORM = f"{NAME_FORM}; `@3` after it for version 3"
DIGEST_PATTERN = r"^[0-9a-f]{64}$"
DIGEST_FORM = "must be a sha256: 64 hexadecimal digits, lowercase"
PRESENT_PATTERN = r"^([0-9a-f]{64}|\*)$"
PRESENT_FORM = f"{DIGEST_FORM}; or * for whatever is there"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Reference = Annotated[
    str, StringConstraints(pattern=REFERENCE_PATTERN)
]  # `digits-vae` is the newest, or `digits-vae@3`


class Card(Record):
    """Everything about one version of a model but its weights; `card.json` in the store."""

    model: str
    """Name of the model."""
    version: int
    """Version, counted from 1."""
    family: str
    """Family of the model."""
    capabilities: tuple[Op, ...]
    """Capabilities of the model: the requests that it answers."""
    spec: DataSpec
    """Shape, range, levels, condition and units of its data."""
    latent_shape: tuple[int, ...] | None
    """Shape of one latent code."""
    run: RecordedRun
    """The run that trained it."""
    metrics: dict[str, JsonFloat]
    """Metrics on held-out rows, the unit in the name."""
    curve: Curve | None = None
    """A loss on held-out rows during training."""
    notes: tuple[str, ...] = ()
    """Notes on its use, a sentence each."""
    steps: int | None = None
    """Steps of all trainings that led to it; null of models of releases before they were counted."""
    start_from: str | None = None
    """Version or job that its training started from; null for fresh weights."""
    started_at_step: int | None = None
    """How many of the steps are of the trainings before; null for fresh weights."""
    n_parameters: int
    """Parameters of its networks."""
    data_fingerprint: str
    """sha256 of the training rows or, where they are generated, of their recipe."""
    weights_sha256: str
    """sha256 of its weights."""
    weights_bytes: int
    """Size of its weights."""
    job: str
    """Job that trained it."""
    created_at: float
    """When it was published, seconds since 1970."""

    @property
    def reference(self) -> str:
        return f"{self.model}@{self.version}"

    @property
    def of_likelihoods(self) -> Measure | None:
        """What log p of a table's rows is with respect to; None for other data, and without a likelihood."""
        table = self.spec.table
        return None if table is None or "likelihood" not in self.capabilities else table.measure


class EvaluatedCard(Card):
    """Everything about one version of a model but its weights, and the report of its latest evaluation."""

    evaluation: EvaluationReport | None = None
    """How its samples compare with rows that it was not trained on; null where it was never evaluated."""
    measure: Measure | None = None
    """What log p of a table's rows is with respect to; null for other data, and without a likelihood."""


class Worker(Record):
    """A live worker, from its last heartbeat."""

    id: str
    """Identifier of the worker."""
    device: str
    """Device it computes on."""
    models: tuple[str, ...]
    """References of the models it holds in memory."""
    training: tuple[str, ...]
    """Jobs it runs: trainings, samplings and evaluations."""
    seen_at: float
    """Seconds since 1970, of its last heartbeat."""
    silent_s: float = 0.0
    """Seconds since its last heartbeat."""
    trouble: str | None = None
    """What its machine lacks so that jobs must wait, such as disk space."""
    leaving: bool = False
    """Whether it is shutting down: it finishes its work and takes no more."""
    stalled_s: float = 0.0
    """Seconds since its inference thread last finished a forward pass or found nothing to do."""
    untaken_s: float = 0.0
    """Seconds for which jobs have been waiting although it has a free slot."""
    protocol: int = PROTOCOL
    """Version of the frames it reads."""
