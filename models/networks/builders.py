"""Encoders, decoders, denoising and velocity networks, with a backbone that fits the data.

Vectors get multilayer perceptrons, images of 5x5 to 64x64 and series of 8 to 1,024 steps convolutions, plain or
residual. There are no batch statistics and no dropout, so the output of a row does not depend on the other rows of its
batch. Inputs and outputs are in network units (`DataSpec.normalize`).

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
from pushforward.models.networks.denoiser import Denoiser, MixedDenoiser, ResidualMLP
from pushforward.models.networks.mlp import MLP
from pushforward.models.networks.residual import ResidualEncoder, ResidualGenerator
from pushforward.models.networks.unet import UNet
from pushforward.models.networks.velocity import FourierFeatures, VelocityNet
from pushforward.models.paths.preconditioning import Preconditioning, Velocity
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.spec.requirements import Backbone, convolves

LEAKY_SLOPE = 0.2  # of LeakyReLU below zero
VELOCITY = Velocity()
UNITS, CHANNELS = 128, 32  # defaults: of a layer of a perceptron, of the first convolution
LEAST_CHANNELS = 8


def encoder(
    spec: DataSpec,
    n_out: int,
    *,
    width: int | None,
    depth: int = 2,
    normalized: bool = True,
    leaky: bool = False,
    condition_size: int = 0,
    backbone: Backbone = "auto",
) -> nn.Module:
    """(B, *shape) to (B, n_out): an encoder, the features of a critic, or a critic (n_out = 1).

    Arguments:
        width: units of a layer for vectors, channels of the first convolution; None for `default_width`.
        depth: hidden layers of a perceptron.
        normalized: False leaves out normalization, as gradient penalties require.
        leaky: LeakyReLU(0.2) and He's initial weights instead of SiLU and torch's. A critic that is smooth at the
            start misses the gaps between modes, and its generator fills them.
        condition_size: elements of a condition c; the input is `concat_condition(x, c)`.
        backbone: of images and series; `residual` takes neither `normalized` nor `leaky`.
    """
    shape = (spec.shape[0] + condition_size, *spec.shape[1:])
    if backbone == "residual":
        return ResidualEncoder(shape, n_out, width=width or default_width(spec))
    if backbone == "auto" and convolves(spec):
        net: nn.Module = ConvEncoder(
            shape, n_out, width=width or default_width(spec), normalized=normalized, activation=_activation(leaky)
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
    params_per_element: int = 1,
    backbone: Backbone = "auto",
) -> nn.Module:
    """(B, n_in) to (B, P * shape[0], *shape[1:]), with P = `params_per_element` numbers for each element.

    The other arguments are those of `encoder`. A condition is part of the input.
    """
    shape = (params_per_element * spec.shape[0], *spec.shape[1:])
    if backbone == "residual":
        return ResidualGenerator(n_in, shape, width=width or default_width(spec))
    if backbone == "auto" and convolves(spec):
        net: nn.Module = ConvDecoder(n_in, shape, width=width or default_width(spec), activation=_activation(leaky))
    else:
        net = MLP((n_in,), shape, width=width or UNITS, depth=depth, activation=_activation(leaky))
    return _he(net) if leaky else net


def default_width(spec: DataSpec) -> int:
    """Units of a layer for vectors; else channels with which a step costs about the same at every size.

    32 channels up to 8x8 pixels, 16 up to 16x16, 8 up to 32x32: channels halve where pixels grow fourfold.
    8 are the least, so a step costs four times as much at 64x64. Of a series 32 up to 128 steps, 16 up to 512, then 8.
    """
    if not convolves(spec):
        return UNITS
    doublings = (len(spec.shape) - 1) * (halvings(spec.shape) + 2)  # of 1 to pixels, or steps, after padding
    return max(LEAST_CHANNELS, CHANNELS >> max(0, (doublings - 6) // 2))


def _he(net: nn.Module) -> nn.Module:
    """He's initial weights: LeakyReLU layers keep the variance of their input (He et al., 2015)."""
    for layer in net.modules():
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=LEAKY_SLOPE)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return net


def _activation(leaky: bool) -> Callable[[], nn.Module]:
    return partial(nn.LeakyReLU, LEAKY_SLOPE) if leaky else nn.SiLU


def denoising_network(
    spec: DataSpec, *, width: int, depth: int, condition_size: int = 0, preconditioning: Preconditioning = VELOCITY
) -> Denoiser:
    """A denoiser with a UNet for images and series, a residual perceptron for vectors."""
    backbone = UNet if convolves(spec) else ResidualMLP
    net = backbone(spec.shape, width=width, depth=depth)
    return Denoiser(net, width=width, condition_size=condition_size, preconditioning=preconditioning)


def mixed_denoising_network(
    spec: DataSpec,
    *,
    n_numbers: int,
    width: int,
    depth: int,
    condition_size: int = 0,
    preconditioning: Preconditioning = VELOCITY,
) -> MixedDenoiser:
    """A denoiser of rows whose first elements are numbers and the others one-hot choices."""
    return MixedDenoiser(
        ResidualMLP(spec.shape, width=width, depth=depth),
        n_numbers=n_numbers,
        width=width,
        condition_size=condition_size,
        preconditioning=preconditioning,
    )


def velocity_network(
    spec: DataSpec, *, width: int, depth: int, condition_size: int = 0, waves: float | None = None
) -> VelocityNet:
    """A velocity network with a UNet for images and series, a residual perceptron for vectors.

    `waves` adds Fourier features of the elements of a vector, with frequencies up to so many radians a unit.
    """
    backbone = UNet if convolves(spec) else ResidualMLP
    place = None if waves is None else FourierFeatures(spec.size, width, max_frequency=waves)
    return VelocityNet(
        backbone(spec.shape, width=width, depth=depth), width=width, condition_size=condition_size, place=place
    )
