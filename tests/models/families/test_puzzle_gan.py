"""Puzzle-GAN: T56, patches in any order; where they are cut, and the three losses."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
import torch.nn.functional as F

from pushforward.models.errors import InvalidData
from pushforward.models.families.puzzle_gan import Cut, PuzzleGAN, Whole, appearance_loss, mask_of, spatial_loss
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import DataSpec

SPEC = DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17, shift=(8.0,), scale=(8.0,))
SMALL = PuzzleGAN(width=8, depth=1, features=8, latent=2, regularizers=())
NOTHING = torch.zeros(4, 0)


@pytest.fixture(scope="module")
def nets() -> Nets:
    torch.manual_seed(0)
    return SMALL.build(SPEC)


def images(n: int = 4) -> torch.Tensor:
    return torch.randint(0, 17, (n, 1, 8, 8), generator=torch.Generator().manual_seed(1)).float()


def test_the_order_of_patches_does_not_matter(nets: Nets) -> None:
    """T56: exactly in the sum over patches; to rounding where the encoder reads them."""
    patches = images(12).view(4, 3, 1, 8, 8)[..., 2:5, 2:5]
    whole = SMALL.complete(nets, patches, Noise.rows(0, 4), NOTHING)
    for order in permutations(range(3)):
        again = SMALL.complete(nets, patches[:, order], Noise.rows(0, 4), NOTHING)
        torch.testing.assert_close(again, whole, rtol=1e-5, atol=1e-4)


def test_a_whole_is_of_its_patches_and_of_its_noise(nets: Nets) -> None:
    patches = images(12).view(4, 3, 1, 8, 8)[..., 2:5, 2:5]
    whole = SMALL.complete(nets, patches, Noise.rows(0, 4), NOTHING)
    assert whole.shape == (4, 1, 8, 8)
    assert torch.equal(SMALL.complete(nets, patches, Noise.rows(0, 4), NOTHING), whole)
    assert not torch.allclose(SMALL.complete(nets, patches.flip(0), Noise.rows(0, 4), NOTHING), whole)
    assert not torch.allclose(SMALL.complete(nets, patches, Noise.rows(1, 4), NOTHING), whole)


@pytest.mark.parametrize(("shape", "side"), [((1, 8, 8), 3), ((1, 28, 28), 9), ((3, 32, 24), 8)])
def test_a_patch_is_a_third_of_an_image_unless_another_side_is_chosen(shape: tuple[int, ...], side: int) -> None:
    spec = DataSpec(shape=shape)
    assert SMALL.patches_shape(spec) == (3, shape[0], side, side)
    assert PuzzleGAN(patches=2, side=5).patches_shape(spec) == (2, shape[0], 5, 5)


def test_patches_are_cut_where_they_are_said_to_be() -> None:
    y = images(2)
    places = torch.tensor([[[0, 0], [5, 5], [2, 4]], [[1, 1], [1, 1], [0, 5]]])
    patches, mask = SMALL.cut(SPEC, y, places)
    assert patches.shape == (2, 3, 1, 3, 3)
    assert torch.equal(patches[0, 2], y[0, :, 2:5, 4:7])
    assert torch.equal(patches[1, 2], y[1, :, 0:3, 5:8])
    expected = torch.zeros(8, 8)
    expected[1:4, 1:4] = expected[0:3, 5:8] = 1
    assert torch.equal(mask[1, 0], expected)
    assert mask[0].sum() == 27


def test_places_are_drawn_over_the_whole_image() -> None:
    places = SMALL.places(SPEC, 500, torch.Generator().manual_seed(0))
    assert places.shape == (500, 3, 2)
    assert (places.min(), places.max()) == (0, 5)
    covered = mask_of(places, 3, (8, 8)).mean(0)
    assert covered.min() > 0


def test_the_spatial_loss_is_of_the_mask_and_that_of_appearance_of_the_pixels_under_it() -> None:
    y = images(1) / 8 - 1
    cut = SMALL.cut(SPEC, y, torch.tensor([[[0, 0], [0, 0], [3, 3]]]))
    perfect = Whole(torch.where(cut.mask > 0, y, 0.0), cut.mask)
    assert spatial_loss(perfect, cut) == appearance_loss(perfect, y, cut) == 0
    half = Whole(y + 0.25, torch.full_like(cut.mask, 0.5))
    assert spatial_loss(half, cut) == 0.5
    torch.testing.assert_close(appearance_loss(half, y, cut), torch.tensor(0.25))


def test_the_generator_descends_the_three_losses_together(nets: Nets) -> None:
    rng = torch.Generator().manual_seed(2)
    batch = Batch(images(), NOTHING, rng, 0, 10, torch.arange(4))
    *_, loss = SMALL.losses(nets, batch)
    again, u = torch.Generator().manual_seed(2), SPEC.normalize(batch.x)
    for _ in range(2):  # of the critic, then of the generator
        cut = SMALL.cut(SPEC, u, SMALL.places(SPEC, 4, again))
        whole = SMALL.push(nets, cut.patches, torch.randn(4, 2, generator=again), NOTHING)
    adversarial = F.softplus(-nets["critic"](whole.pair)).mean()
    expected = (
        adversarial + SMALL.spatial * spatial_loss(whole, cut) + SMALL.appearance * appearance_loss(whole, u, cut)
    )
    torch.testing.assert_close(loss.value, expected)
    assert loss.trains == ("encoder", "generator")
    assert loss.terms.keys() == {"spatial", "appearance"}


def test_the_critic_compares_an_image_and_its_mask_with_what_is_made_of_patches(nets: Nets) -> None:
    batch = Batch(images(), NOTHING, torch.Generator().manual_seed(2), 0, 10, torch.arange(4))
    loss = next(SMALL.losses(nets, batch))
    again, u = torch.Generator().manual_seed(2), SPEC.normalize(batch.x)
    cut: Cut = SMALL.cut(SPEC, u, SMALL.places(SPEC, 4, again))
    fake = SMALL.push(nets, cut.patches, torch.randn(4, 2, generator=again), NOTHING).pair
    real = torch.cat([u, cut.mask], 1)
    expected = F.softplus(-nets["critic"](real)).mean() + F.softplus(nets["critic"](fake)).mean()
    torch.testing.assert_close(loss.value, expected)


def test_it_takes_images_into_which_its_patches_fit() -> None:
    with pytest.raises(InvalidData, match="takes images, not rows of shape"):
        SMALL.check(DataSpec(shape=(2,)))
    with pytest.raises(InvalidData, match="a patch of side 9 does not fit into 8x8"):
        PuzzleGAN(side=9).check(SPEC)
