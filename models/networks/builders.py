"""Plain torch modules; the kind of data picks the backbone.

Vectors get multilayer perceptrons, images of 8x8 to 32x32 convolutions. All map (B, ...) to (B, ...) row by row: no
batch statistics, no dropout, so a row's answer does not depend on its batch-mates. Inputs and outputs are in
network units (`DataSpec.normalize`).

Example:
    >>> import torch
    >>> from pushforward.models import networks
    >>> from pushforward.models.spec.data_spec import DataSpec
    >>> images = DataSpec(shape=(1, 28, 28))
    >>> networks.encoder(images, 16, width=None)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 16])
    >>> networks.decoder(images, 16, width=None)(torch.zeros(2, 16)).shape
    torch.Size([2, 1, 28, 28])

References:
    | Delving Deep into Rectifiers (He et al., 2015), https://arxiv.org/abs/1502.01852
"""

from collections.abc import Callable
from functools import partial

from torch import nn

from pushforward.models.networks.conv import ConvDecoder, ConvEncoder, halvings
from pushforward.models.networks.denoiser import Denoiser, ResidualMLP
from pushforward.models.networks.mlp import MLP
from pushforward.models.networks.unet import UNet
from pushforward.models.networks.velocity import PlaceEmbedding, VelocityNet
from pushforward.models.paths.preconditioning import Preconditioning, Velocity
from pushforward.models.spec.data_spec import DataSpec, convolves

SLOPE = 0.2  # of LeakyReLU below zero
VELOCITY = Velocity()
UNITS, CHANNELS = 128, 32  # of a layer of a perceptron, of the first convolution, unless asked otherwise


def encoder(
    spec: DataSpec,
    n_out: int,
    *,
    width: int | None,
    depth: int = 2,
    normalized: bool = True,
    leaky: bool = False,
    n_given: int = 0,
    flat: bool = False,
) -> nn.Module:
    """(B, *shape) to (B, n_out): an encoder, a critic's features, a critic (n_out = 1).

    With `n_given` > 0 it reads `attach(x, c)`, c a condition of so many elements. `flat` takes a perceptron for images
    too.

    `width` is units of a layer for vectors and channels of the first layer for images, None `width_for`; `depth` counts
    the hidden layers of a perceptron. `normalized=False` leaves out normalization, as gradient penalties want;
    `leaky` takes LeakyReLU(0.2) and He's initial weights in the place of SiLU and torch's: a critic that starts
    smooth overlooks the gaps between modes, and its generator fills them.
    """
    shape = (spec.shape[0] + n_given, *spec.shape[1:]) if len(spec.shape) == 3 else (spec.size + n_given,)
    if not flat and convolves(spec):
        net: nn.Module = ConvEncoder(
            shape, n_out, width=width or width_for(spec), normalized=normalized, activation=_activation(leaky)
        )
    else:
        net = MLP(shape, (n_out,), width=width or UNITS, depth=depth, activation=_activation(leaky))
    return _he(net) if leaky else net


def decoder(
    spec: DataSpec,
    n_in: int,
    *,
    width: int | None,
    depth: int = 2,
    leaky: bool = False,
    n_each: int = 1,
    flat: bool = False,
) -> nn.Module:
    """(B, n_in) to (B, *shape), or `n_each` numbers for each element, (B, n_each * shape[0], *shape[1:]).

    `width`, `leaky` and `flat` as in `encoder`. A condition is part of what comes in.
    """
    shape = (n_each * spec.shape[0], *spec.shape[1:])
    if not flat and convolves(spec):
        net: nn.Module = ConvDecoder(n_in, shape, width=width or width_for(spec), activation=_activation(leaky))
    else:
        net = MLP((n_in,), shape, width=width or UNITS, depth=depth, activation=_activation(leaky))
    return _he(net) if leaky else net


def width_for(spec: DataSpec) -> int:
    """Units of a layer for vectors; for images so many channels that a step costs about the same at every size.

    That is 32 of up to 8x8, 16 of up to 16x16 and 8 of up to 32x32: pixels grow fourfold where channels halve.
    """
    return UNITS if not convolves(spec) else CHANNELS >> (halvings(spec.shape) - 1)


def _he(net: nn.Module) -> nn.Module:
    """Initial weights with which every LeakyReLU layer keeps the variance it is given (He et al., 2015)."""
    for layer in net.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=SLOPE)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return net


def _activation(leaky: bool) -> Callable[[], nn.Module]:
    return partial(nn.LeakyReLU, SLOPE) if leaky else nn.SiLU


def denoising_network(
    spec: DataSpec, *, width: int, depth: int, n_given: int = 0, preconditioning: Preconditioning = VELOCITY
) -> Denoiser:
    """(B, *shape), log signal-to-noise ratios, (B,), and a condition, (B, n_given), to the noise, (B, *shape)."""
    backbone = UNet if convolves(spec) else ResidualMLP
    net = backbone(spec.shape, width=width, depth=depth)
    return Denoiser(net, width=width, n_given=n_given, preconditioning=preconditioning)


def velocity_network(
    spec: DataSpec, *, width: int, depth: int, n_given: int = 0, waves: float | None = None
) -> VelocityNet:
    """(B, *shape), times, (B,), and a condition, (B, n_given), to velocities, (B, *shape).

    `waves` tells vectors by waves, too, of up to so many radians a unit.
    """
    backbone = UNet if convolves(spec) else ResidualMLP
    place = None if waves is None else PlaceEmbedding(spec.size, width, fastest=waves)
    return VelocityNet(backbone(spec.shape, width=width, depth=depth), width=width, n_given=n_given, place=place)
