"""A card's curve, notes and numbers that are not finite, the same through every API."""

from math import inf, isnan, nan

from google.protobuf import json_format

from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.storage.card import Curve
from pushforward.service.domain.catalog import Card
from pushforward.service.rpc import records

CURVE = Curve(name="nll_nats_exact", rows=9, steps=(10, 20), values=(nan, 1.5), best_step=20)
CARD = Card(
    model="m", version=1, family="flow", capabilities=("sample",), spec=DataSpec(shape=(2,)), latent_shape=None,
    run={}, metrics={"effective_share": nan, "validation_rmse": -inf, "kept": 1.0}, curve=CURVE, notes=("Few rows.",),
    n_parameters=1, data_fingerprint="f", weights_sha256="w", weights_bytes=1, job="j", created_at=1.0,
)  # fmt: skip


def test_json_has_words_for_numbers_that_are_not_finite() -> None:
    tree = CARD.model_dump(mode="json")
    assert tree["metrics"] == {"effective_share": "NaN", "validation_rmse": "-Infinity", "kept": 1.0}
    assert tree["curve"]["values"] == ["NaN", 1.5]
    assert Card.model_validate_json(CARD.model_dump_json()).model_dump_json() == CARD.model_dump_json()


def test_grpc_has_doubles_and_its_struct_the_same_words() -> None:
    model = records.model(CARD)
    assert isnan(model.metrics["effective_share"])
    assert model.metrics["validation_rmse"] == -inf
    assert (model.curve.name, list(model.curve.steps), model.curve.best_step) == ("nll_nats_exact", [10, 20], 20)
    assert isnan(model.curve.values[0])
    assert list(model.notes) == ["Few rows."]
    assert json_format.MessageToDict(model.card)["metrics"] == CARD.model_dump(mode="json")["metrics"]
