"""Examples of requests for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from pushforward.service.application.commands.commands import (
    Complete,
    Decode,
    Encode,
    Evaluate,
    Interpolate,
    Likelihood,
    Reconstruct,
    Sample,
    Score,
    TrainModel,
    Translate,
)
from pushforward.service.application.commands.uploads import OutlineDataset

_ROWS = [[0.5, 0.25], [1.0, -0.5]]


def _examples(**bodies: dict[str, Any]) -> dict[str, Any]:
    """Examples by name."""
    return {name: {"summary": name.replace("_", " "), "value": body} for name, body in bodies.items()}


EXAMPLES: dict[type[Any], dict[str, Any]] = {
    OutlineDataset: _examples(as_it_is={}, a_column_left_out={"data": {"columns": {"comments": {"kind": "drop"}}}}),
    TrainModel: _examples(
        a_preset={"model": "moons-flow", "preset": "flow-two-moons"},
        a_preset_with_changes={
            "model": "digits-vae",
            "preset": "vae-digits",
            "run": {"family": {"latent": 4}, "budget": {"steps": 500}},
        },
        more_steps={"model": "digits-vae", "start_from": "digits-vae@3", "run": {"budget": {"steps": 1000}}},
        your_own_data={
            "model": "table-flow",
            "run": {
                "family": {"family": "flow"},
                "data": {"source": "npy", "path": "table.npy"},
                "budget": {"epochs": 50},
                "seed": 1,
            },
        },
    ),
    Evaluate: _examples(
        held_out_rows={"model": "moons-flow"},
        some_metrics_of_your_rows={
            "model": "digits-vae@3",
            "against": {"source": "npy", "path": "new-digits.npy"},
            "metrics": ["mmd2", "precision", "recall"],
            "n": 500,
        },
    ),
    Sample: _examples(
        new_rows={"model": "moons-flow", "n": 4, "seed": 0},
        of_a_label={"model": "labeled-digits", "n": 8, "condition": 3, "options": {"guidance": 1.0}},
    ),
    Likelihood: _examples(
        scores={"model": "moons-flow", "x": _ROWS},
        a_density_map={"model": "moons-flow", "grid": 96, "within": [[-2, 3], [-1.5, 2]]},
    ),
    Score: _examples(anomalies={"model": "moons-flow", "x": _ROWS, "false_alarm_rate": 0.05}),
    Encode: _examples(codes={"model": "moons-flow", "x": _ROWS}),
    Decode: _examples(data_of_codes={"model": "moons-flow", "z": [[0.0, 0.0]]}),
    Reconstruct: _examples(there_and_back={"model": "moons-flow", "x": _ROWS}),
    Complete: _examples(
        unordered_patches={"model": "puzzle", "patches": [[[[[0.0, 16.0], [8.0, 0.0]]], [[[0.0, 0.0], [12.0, 4.0]]]]]},
    ),
    Translate: _examples(
        to_one_domain={"model": "moons-cyclegan", "x": _ROWS, "to": 1, "condition": 0},
        each_to_its_own={"model": "moons-cyclegan", "x": _ROWS, "to": [1, 0], "condition": [0, 1]},
    ),
    Interpolate: _examples(
        between_rows={"model": "moons-flow", "start": _ROWS[0], "end": _ROWS[1], "steps": 5},
        between_samples={"model": "digits-vae", "start_seed": 1, "end_seed": 2, "steps": 8, "path": "slerp"},
    ),
}
