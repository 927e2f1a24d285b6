r"""Modes of data that are a mixture of equal Gaussians, by PacGAN's protocol (`models.evaluation.sample_metrics`).

A sample within three standard deviations of a mode is of high quality and finds that mode. In D dimensions a perfect
sampler has a share of

    P(chi^2_D < 9),   in the plane 1 - exp(-9/2) = 98.889 %,

of high quality; the others are between modes or far out: its mode mixture is exp(-9/2) = 1.111 %.

References:
    | PacGAN: The power of two samples in generative adversarial networks (Lin et al., 2017), arXiv:1712.04086
    | AE-OT: A New Generative Model Based on Extended Semi-discrete Optimal Transport (An et al., 2020), ICLR:
    | mode mixture
"""

from __future__ import annotations

from typing import final

from pushforward.models.evaluation.metrics.metric import Known, KnownModes, Metric, Side
from pushforward.models.evaluation.sample_metrics import Modes, modes
from pushforward.models.storage.evaluation import MetricValue


class OfModes(Metric):
    """A metric of samples and the known modes; reference rows have no part in it."""

    needs = ("modes",)

    def reached(self, samples: Side, known: Known) -> Modes:
        """Which modes the samples reach."""
        modes_of = _known(known)
        return modes(samples.x, modes_of.centers, modes_of.std)


@final
class ModesFound(OfModes):
    """Modes of the data that one sample at least reaches."""

    name = "modes_found"
    better = "higher"

    def ideal(self, n: int, m: int, known: Known) -> float:
        return float(len(_known(known).centers))

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        return MetricValue(value=float(self.reached(samples, known).found))


@final
class HighQualityShare(OfModes):
    """Share of samples within three standard deviations of a mode."""

    name = "high_quality_share"
    better = "nearer"

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 1 - beyond_three(_known(known).centers.shape[1])

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        return _share(self.reached(samples, known).high_quality, len(samples.x))


@final
class ModeMixture(OfModes):
    """Share of samples farther than three standard deviations from every mode."""

    name = "mode_mixture"
    better = "nearer"

    def ideal(self, n: int, m: int, known: Known) -> float:
        return beyond_three(_known(known).centers.shape[1])

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        return _share(1 - self.reached(samples, known).high_quality, len(samples.x))


def beyond_three(size: int) -> float:
    """P(chi^2_D >= 9)."""
    from scipy.stats import chi2

    return float(chi2.sf(9, size))


def _known(known: Known) -> KnownModes:
    if known.modes is None:
        raise ValueError("the modes of these data are not known")
    return known.modes


def _share(p: float, n: int) -> MetricValue:
    return MetricValue(value=p, std_error=(p * (1 - p) / n) ** 0.5)
