"""Text to image: T56, the losses of GAN-CLS and GAN-INT, and a critic that knows which caption is whose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor

from pushforward.models.adversarial.contest import RealAndFake
from pushforward.models.errors import InvalidData
from pushforward.models.families.text_to_image import TextToImage, mates
from pushforward.models.losses import Batch, Loss
from pushforward.models.networks import Nets
from pushforward.models.run import Run
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.spec.text import Text
from pushforward.models.training.data import TrainingData, held_out, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import TrainingState, fresh

TEXT = Text(max_length=8)
SPEC = DataSpec(shape=(3,), condition=TEXT)
CPU = torch.device("cpu")


def family(**fields: object) -> TextToImage:
    return TextToImage.model_validate(
        {"width": 8, "depth": 1, "latent": 2, "embedding": 4, "regularizers": (), **fields}
    )


def nets(of: TextToImage) -> Nets:
    torch.manual_seed(0)
    return of.build(SPEC)


def batch(*captions: str) -> Batch:
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(len(captions), 3, generator=rng)
    c = torch.from_numpy(TEXT.read(np.array(captions)))
    return Batch(x, c, rng, 0, 10, torch.arange(len(captions)))


def critic_loss(of: TextToImage, on: Nets, rows: RealAndFake, at: Batch) -> Tensor:
    loss: Loss = next(iter(of.contest.critic_step(on, rows, at)))
    return loss.value


def score(of: TextToImage, on: Nets, x: Tensor, c: Tensor) -> Tensor:
    scores: Tensor = on["critic"](*of.contest.join(x, of.embed(on, c)))
    return scores


@pytest.mark.parametrize("conditioned_by", ["concatenation", "projection"])
def test_the_critic_descends_the_loss_of_matching_and_mismatched_pairs(conditioned_by: str) -> None:
    """T56: -[log s_r + 1/2 (log(1 - s_w) + log(1 - s_f))]."""
    of = family(conditioned_by=conditioned_by)
    on, at = nets(of), batch("a", "b", "c", "d")
    rows = of.pairs(on, at.x, at.c, at.rng)
    fake, wrong = rows.fake.chunk(2)
    s_r, s_w, s_f = (torch.sigmoid(score(of, on, x, at.c)) for x in (at.x, wrong, fake))
    expected = -(s_r.log().mean() + 0.5 * ((1 - s_w).log().mean() + (1 - s_f).log().mean()))
    torch.testing.assert_close(critic_loss(of, on, rows, at), expected)


def test_wrong_images_are_those_of_other_captions() -> None:
    of = family()
    on, at = nets(of), batch("a", "b", "a", "c", "b")
    _, wrong = of.pairs(on, at.x, at.c, at.rng).fake.chunk(2)
    places = [(at.x == row).all(1).nonzero().flatten().tolist() for row in wrong]
    assert any(places)  # a row whose mate has the same caption gets a fake in its place
    assert all(not torch.equal(at.c[i], at.c[j]) for i, found in enumerate(places) for j in found)


@pytest.mark.parametrize(("fields", "captions"), [({"mismatched": False}, "abcd"), ({}, "aaaa")])
def test_with_aligned_pairs_only_it_is_a_conditional_gan(fields: dict[str, object], captions: str) -> None:
    """T56: E softplus(-f(x, t)) + E softplus(f(g(z, t), t)), which a conditional GAN descends."""
    of = family(**fields, beta=None)
    on, at = nets(of), batch(*captions)
    rows = of.pairs(on, at.x, at.c, at.rng)
    fake = rows.fake[: len(at.x)]
    expected = F.softplus(-score(of, on, at.x, at.c)).mean() + F.softplus(score(of, on, fake, at.c)).mean()
    torch.testing.assert_close(critic_loss(of, on, rows, at), expected)


def test_the_generator_is_trained_between_captions_too() -> None:
    of = family(beta=0.5)
    on, at = nets(of), batch("a", "b")
    rng = torch.Generator().manual_seed(2)
    *_, loss = of.losses(on, at._replace(rng=torch.Generator().manual_seed(2)))
    of.pairs(on, at.x, at.c, rng)  # what the critic's step draws
    h = of.embed(on, at.c)
    mate = mates(2, rng)
    h = torch.cat([h, (h + h[mate]) / 2])
    x = of.push(on, torch.randn(4, of.latent, generator=rng), h)
    expected = F.softplus(-on["critic"](*of.contest.join(x, h))).mean()
    torch.testing.assert_close(loss.value, expected)
    assert loss.trains == ("generator",)


def test_mates_are_other_rows_where_there_are_any() -> None:
    rng = torch.Generator().manual_seed(0)
    for n in (2, 3, 10):
        for _ in range(20):
            mate = mates(n, rng)
            assert (mate != torch.arange(n)).all()
            assert mate.unique().numel() == n
    assert mates(1, rng).tolist() == [0]


@pytest.mark.parametrize("condition", [None, Labels(n_classes=3)])
def test_data_without_captions_are_refused_with_what_to_choose(condition: Labels | None) -> None:
    with pytest.raises(InvalidData, match="needs a caption beside each row; choose the source captioned_digits"):
        family().check(DataSpec(shape=(3,), condition=condition))


def test_a_family_that_reads_labels_is_given_no_captions() -> None:
    data = {"source": "captioned_digits", "condition": "text"}
    with pytest.raises(ValidationError, match="has captions, which gan does not take; leave it out, or train text_to_"):
        Run.model_validate({"family": {"family": "gan"}, "data": data, "budget": {"steps": 1}})


@pytest.mark.parametrize("condition", [None, "label"])
def test_a_run_on_data_without_captions_is_refused_with_what_to_choose(condition: str | None) -> None:
    run = Run.model_validate({
        "family": {"family": "text_to_image"},
        "data": {"source": "digits", "condition": condition},
        "budget": {"steps": 1},
    })  # fmt: skip
    with pytest.raises(InvalidData, match="needs a caption beside each row; choose the source captioned_digits") as no:
        run.family.check(run.data.outline(Path()))
    assert no.value.field == "run.data.condition"


def test_a_family_that_cannot_do_without_a_condition_is_not_told_to_leave_it_out() -> None:
    data = {"source": "captioned_digits", "condition": "text"}
    with pytest.raises(ValidationError, match="has captions, which stargan does not take; train text_to_image"):
        Run.model_validate({"family": {"family": "stargan"}, "data": data, "budget": {"steps": 1}})


@pytest.fixture(scope="module")
def trained() -> tuple[TrainingState, TrainingData]:
    run = Run.model_validate({
        "family": {"family": "text_to_image", "width": 8},
        "data": {"source": "captioned_digits", "condition": "text", "copies": 1},
        "optimizer": {"lr": 2e-3, "batch_size": 64},
        "budget": {"steps": 250},
    })  # fmt: skip
    data = load_data(run, Path())
    state = fresh(run, data, CPU)
    for _ in train(data, state):
        pass
    return state, data


@torch.no_grad()
def test_a_mismatched_caption_lowers_the_score_of_an_image(trained: tuple[TrainingState, TrainingData]) -> None:
    """T56: of held-out images, after a short training."""
    state, data = trained
    of = state.run.family
    assert isinstance(of, TextToImage)
    x, c = held_out(data, slice(0, 160), CPU)
    u = data.spec.normalize(x)
    matching, mismatched = score(of, state.nets, u, c), score(of, state.nets, u, c.roll(1, 0))
    higher = (matching > mismatched).float().mean()
    assert higher > 0.75
    assert (matching - mismatched).mean() > 0
