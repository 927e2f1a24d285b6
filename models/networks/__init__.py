"""Networks, each imported when its name is first used (PEP 562): families can be described without PyTorch."""

from typing import TYPE_CHECKING

from pushforward.models.lazy import late_names

if TYPE_CHECKING:
    from pushforward.models.networks.adversarial.characters import CharacterEncoder as CharacterEncoder
    from pushforward.models.networks.adversarial.critics import AutoencodingCritic as AutoencodingCritic
    from pushforward.models.networks.adversarial.critics import CriticHead as CriticHead
    from pushforward.models.networks.adversarial.dcgan import DCGANCritic as DCGANCritic
    from pushforward.models.networks.adversarial.dcgan import DCGANGenerator as DCGANGenerator
    from pushforward.models.networks.adversarial.patches import PatchEncoder as PatchEncoder
    from pushforward.models.networks.adversarial.progressive import Growing as Growing
    from pushforward.models.networks.adversarial.progressive import ProgressiveCritic as ProgressiveCritic
    from pushforward.models.networks.adversarial.progressive import ProgressiveGenerator as ProgressiveGenerator
    from pushforward.models.networks.adversarial.progressive import faded as faded
    from pushforward.models.networks.adversarial.progressive import sides as sides
    from pushforward.models.networks.adversarial.tabular import CaseCounts as CaseCounts
    from pushforward.models.networks.adversarial.tabular import NumberModes as NumberModes
    from pushforward.models.networks.adversarial.translation import TranslationPool as TranslationPool
    from pushforward.models.networks.adversarial.translation import translator as translator
    from pushforward.models.networks.builders import decoder as decoder
    from pushforward.models.networks.builders import default_width as default_width
    from pushforward.models.networks.builders import denoising_network as denoising_network
    from pushforward.models.networks.builders import encoder as encoder
    from pushforward.models.networks.builders import mixed_denoising_network as mixed_denoising_network
    from pushforward.models.networks.builders import velocity_network as velocity_network
    from pushforward.models.networks.concatsquash import ConcatSquash as ConcatSquash
    from pushforward.models.networks.masked.bijection import Affine as Affine
    from pushforward.models.networks.masked.bijection import Bijection as Bijection
    from pushforward.models.networks.masked.bijection import CubeSpline as CubeSpline
    from pushforward.models.networks.masked.bijection import RationalQuadratic as RationalQuadratic
    from pushforward.models.networks.masked.made import MADE as MADE
    from pushforward.models.networks.masked.made import ranks as ranks
    from pushforward.models.networks.masked.perceptron import MaskedPerceptron as MaskedPerceptron
    from pushforward.models.networks.masked.pixelcnn import GatedPixelCNN as GatedPixelCNN
    from pushforward.models.networks.mixture import GaussianMixture as GaussianMixture
    from pushforward.models.networks.mlp import MLP as MLP
    from pushforward.models.networks.nets import Buffer as Buffer
    from pushforward.models.networks.nets import Nets as Nets
    from pushforward.models.networks.nets import Scalar as Scalar
    from pushforward.models.networks.nets import concat_condition as concat_condition
    from pushforward.models.networks.nets import condition_args as condition_args
    from pushforward.models.networks.residual import ResidualCritic as ResidualCritic
    from pushforward.models.networks.residual import ResidualGenerator as ResidualGenerator
    from pushforward.models.networks.tables import CodeTable as CodeTable
    from pushforward.models.networks.tables import SemiDiscreteTransport as SemiDiscreteTransport

MODULES = {
    "decoder": "builders",
    "denoising_network": "builders",
    "encoder": "builders",
    "mixed_denoising_network": "builders",
    "velocity_network": "builders",
    "default_width": "builders",
    "AutoencodingCritic": "adversarial.critics",
    "Buffer": "nets",
    "CharacterEncoder": "adversarial.characters",
    "ConcatSquash": "concatsquash",
    "CriticHead": "adversarial.critics",
    "DCGANCritic": "adversarial.dcgan",
    "DCGANGenerator": "adversarial.dcgan",
    "PatchEncoder": "adversarial.patches",
    "ResidualCritic": "residual",
    "ResidualGenerator": "residual",
    "Growing": "adversarial.progressive",
    "ProgressiveCritic": "adversarial.progressive",
    "ProgressiveGenerator": "adversarial.progressive",
    "faded": "adversarial.progressive",
    "sides": "adversarial.progressive",
    "Affine": "masked.bijection",
    "Bijection": "masked.bijection",
    "CubeSpline": "masked.bijection",
    "RationalQuadratic": "masked.bijection",
    "MADE": "masked.made",
    "MaskedPerceptron": "masked.perceptron",
    "ranks": "masked.made",
    "GatedPixelCNN": "masked.pixelcnn",
    "GaussianMixture": "mixture",
    "MLP": "mlp",
    "Nets": "nets",
    "Scalar": "nets",
    "concat_condition": "nets",
    "condition_args": "nets",
    "CodeTable": "tables",
    "SemiDiscreteTransport": "tables",
    "CaseCounts": "adversarial.tabular",
    "NumberModes": "adversarial.tabular",
    "TranslationPool": "adversarial.translation",
    "translator": "adversarial.translation",
}

__getattr__ = late_names(__name__, globals(), MODULES)
