"""What is said of a row depends on that row alone: its log p, its error and its terms, however far out it lies.

Networks round differently for batches of other sizes, by some units in the last place of what they compute. That is all
the difference there may be, and an error bar says at least as much.
"""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from pushforward.models.families import FAMILIES
from pushforward.models.family import Scores
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.program import run
from pushforward.models.stepwise.scoring import LogProb

PLANE = DataSpec(shape=(2,), shift=(1.0, -2.0), scale=(2.0, 0.5))
BLACK_AND_WHITE = DataSpec(shape=(3,), low=0, high=1, levels=2, shift=(0.5,), scale=(0.5,))
GRAY = DataSpec(shape=(4,), low=0, high=255, levels=256, shift=(127.5,), scale=(127.5,))
CUBE = DataSpec(shape=(2,), low=0, high=1)
SPECS = {"plane": PLANE, "black_and_white": BLACK_AND_WHITE, "gray": GRAY, "cube": CUBE}
FAR = (1e2, 1e3, 1e4, 1e6, 1e9, 1e15, 1e25)  # standard deviations

SCORING = {name for name, cls in FAMILIES.items() if issubclass(cls, Scores)}
CASES: list[tuple[str, str, Mapping[str, Any]]] = [
    ("vae", "plane", {"k": 16}),
    ("vae", "plane", {"k": 16, "refine": 3}),
    ("vae", "black_and_white", {"k": 16}),
    ("vae", "gray", {"k": 16}),
    ("discrete_vae", "plane", {"k": 16}),
    ("discrete_vae", "gray", {"k": 16}),
    ("avb", "plane", {"k": 16}),
    ("avb", "plane", {"k": 16, "proposal": "contrast"}),
    ("avb", "gray", {"k": 16, "proposal": "contrast"}),
    ("flow", "plane", {}),
    ("flow", "gray", {"k": 16}),
    ("autoregressive", "gray", {}),
    ("nis", "cube", {}),
    ("cnf", "plane", {"steps": 4}),
    ("cnf", "gray", {"steps": 4, "draws": 4}),
    ("flow_matching", "plane", {"steps": 4}),
    ("flow_matching", "gray", {"steps": 4, "draws": 4}),
    ("diffusion", "plane", {"steps": 4}),
    ("diffusion", "gray", {"steps": 4, "draws": 4}),
]
SMALL = {"width": 16, "depth": 1, "latent": 2, "codes": 2, "categories": 3, "noise": 2, "n_transforms": 2}


def built(name: str, spec: DataSpec) -> tuple[Any, Nets]:
    cls = FAMILIES[name]
    family = cls(**{key: value for key, value in SMALL.items() if key in cls.model_fields})
    torch.manual_seed(0)
    nets = family.build(spec).requires_grad_(False)
    for weights in nets.parameters():
        weights += 0.1 * torch.randn_like(weights)
    return family, nets.eval()


def rows(spec: DataSpec) -> Tensor:
    """Some rows of the kind; unbounded ones then from far to farthest, both ways."""
    rng = torch.Generator().manual_seed(1)
    near = torch.randn(8, *spec.shape, generator=rng)
    if spec.low is not None:
        return spec.quantize(spec.low + (near.sigmoid() * (spec.high or 0.0) - spec.low))
    far = torch.tensor([[[d, -d], [0.3, d]] for d in FAR]).flatten(0, 1)
    return spec.denormalize(torch.cat([near, far]))


def parts(scored: LogProb) -> dict[str, Tensor]:
    error = {} if scored.std_error is None else {"std_error": scored.std_error}
    return {"value": scored.value, **error, **scored.terms}


def assert_same(name: str, found: Tensor, alone: Tensor, value: Tensor) -> None:
    """But for rounding: 2^-19 of log p, and of errors and terms a tenth more where rounding is all they tell."""
    assert not alone.isnan().any()
    finite = alone.isfinite()
    assert torch.equal(found[~finite], alone[~finite])
    rounding = 2.0**-19 * value[finite].abs()
    apart = (found - alone)[finite].abs()
    if name == "effective_share":  # which rounding shifts by as much as it shifts weights, until it is all there is
        rounding = torch.minimum(4 * rounding, 1 / (1 + rounding**2))
    assert (apart <= 1e-3 + rounding + 1e-3 * alone[finite].abs()).all()


def test_every_family_that_scores_is_among_the_cases() -> None:
    assert {name for name, _, _ in CASES} == SCORING


@pytest.mark.parametrize(("name", "kind", "options"), CASES, ids=lambda part: part if isinstance(part, str) else "")
def test_a_row_scores_the_same_alone_and_among_others(name: str, kind: str, options: Mapping[str, Any]) -> None:
    (family, nets), x = built(name, SPECS[kind]), rows(SPECS[kind])
    scorer = family.scorer(nets, family.ScoreOptions.model_validate(options))
    c, noise = x[:, :0], Noise.rows(4, len(x))
    alone = [parts(run(scorer, (x[i : i + 1], c[i : i + 1]), noise[i : i + 1])) for i in range(len(x))]
    expected = {part: torch.cat([each[part] for each in alone]).double() for part in alone[0]}
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(2))
    for some in (order, order.flip(0)[:3]):
        found = parts(run(scorer, (x[some], c[some]), noise[some.numpy()]))
        assert found.keys() == expected.keys()
        for part, values in found.items():
            assert_same(part, values.double(), expected[part][some], expected["value"][some])


@pytest.mark.parametrize("options", [{"k": 64}, {"k": 64, "refine": 5}], ids=["amortized", "refined"])
def test_an_error_beyond_float32_is_that_of_the_rounding(options: Mapping[str, Any]) -> None:
    """A row 1e9 standard deviations out: with other mates .077 became .122 nats of 1e18."""
    family, nets = built("vae", PLANE)
    x = PLANE.denormalize(torch.tensor([[1e9, -1e9]]))
    scored = run(family.scorer(nets, family.ScoreOptions.model_validate(options)), (x, x[:, :0]), Noise.rows(0, 1))
    assert scored.std_error is not None
    assert scored.std_error.item() >= 2.0**-20 * scored.value.abs().item() > 1e9
    assert scored.terms["effective_share"].item() == pytest.approx(1 / 64)
