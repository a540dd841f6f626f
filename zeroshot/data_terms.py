"""Data terms D(A(x), y): how a prediction is compared with the measurement, given the kind of noise.

Each is the negative log-likelihood of its noise, per measured value and up to a constant, and knows its
proximal map, from which the proximal schemes are built.
"""

from __future__ import annotations

import copy
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

import torch

from zeroshot.checks import require_number, require_positive


class DataTerm(ABC):
    """D(p, y) = mean over the measured values of d(pᵢ, yᵢ)."""

    #: Whether `prox` is known; splitting schemes need it.
    has_prox: ClassVar[bool] = True

    @abstractmethod
    def penalty(self, prediction: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The elementwise penalty d(p, y), of the shape of `y`."""

    @abstractmethod
    def prox(self, point: torch.Tensor, y: torch.Tensor, step: float) -> torch.Tensor:
        """``argmin over p of step·d(p, y) + ½(p − point)²``, elementwise."""

    def to(self, device: torch.device | str) -> DataTerm:
        """The same data term with its tensors, where it has some, on a device."""
        return self

    def conjugate(self, dual: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The convex conjugate ``d*(q, y) = sup over p of q·p − d(p, y)``, elementwise.

        It is infinite outside the range of slopes of d, where a relative 1e-6 is allowed for rounding. Data
        terms without a conjugate cannot be used where a duality gap is asked for.
        """
        raise NotImplementedError(f"the data term {type(self).__name__} has no conjugate in closed form")

    def conjugate_prox(self, point: torch.Tensor, y: torch.Tensor, step: float) -> torch.Tensor:
        """``argmin over q of step·d*(q, y) + ½(q − point)²``, elementwise.

        By Moreau's identity it is ``point − step·prox(point/step, y, 1/step)``; closed forms avoid the
        cancellation of that.
        """
        return point - step * self.prox(point / step, y, 1 / step)

    def __call__(
        self, prediction: torch.Tensor, y: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The mean penalty, a scalar.

        Parameters
        ----------
        prediction, y : torch.Tensor
            A(x) and the measurement, of equal shape.
        weight : torch.Tensor, optional
            Weights of the measured values, broadcastable to `y`; the mean is weighted by them.
        """
        if prediction.shape != y.shape:
            raise ValueError(
                f"the prediction has shape {tuple(prediction.shape)} and the measurement {tuple(y.shape)}"
            )
        penalty = self.penalty(prediction, y)
        if weight is None:
            return penalty.mean()
        weight = weight.expand_as(penalty)
        return (penalty * weight).sum() / weight.sum().clamp(min=1e-12)


def _beyond(value: torch.Tensor, limit: float) -> torch.Tensor:
    """Where `value` exceeds `limit` by more than rounding."""
    return value > limit + 1e-6 * max(limit, 1.0)


@dataclass(frozen=True)
class Gaussian(DataTerm):
    """Additive Gaussian noise: d(p, y) = (p − y)² / (2σ²).

    Parameters
    ----------
    sigma : float
        Standard deviation of the noise. The default 1 gives half the squared error, which is what penalty
        weights are usually quoted for.
    """

    sigma: float = 1.0

    def __post_init__(self) -> None:
        require_positive(self, "sigma")

    def penalty(self, prediction: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (prediction - y).square() * (0.5 / self.sigma**2)

    def prox(self, point: torch.Tensor, y: torch.Tensor, step: float) -> torch.Tensor:
        ratio = step / self.sigma**2
        return (point + ratio * y) / (1 + ratio)

    def conjugate(self, dual: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return dual * (y + (0.5 * self.sigma**2) * dual)

    def conjugate_prox(
        self, point: torch.Tensor, y: torch.Tensor, step: float | torch.Tensor
    ) -> torch.Tensor:
        moved = point - step * y if isinstance(step, torch.Tensor) else torch.sub(point, y, alpha=step)
        return moved.div_(1 + step * self.sigma**2)


@dataclass(frozen=True)
class Poisson(DataTerm):
    """Photon noise with readout noise, as a shifted Poisson law.

    y/g + r²/g² is taken as Poisson distributed with mean p/g + r²/g², where g is the gain and r the standard
    deviation of the readout noise: d(p, y) = (P − Y log P) / g with P = p + r²/g and Y = max(y + r²/g, 0).
    It is shifted so that d(y, y) = 0.

    Parameters
    ----------
    gain : float
        The value of one photon on the [0, 1] scale (1/peak, where white is `peak` photons).
    readout : float
        Standard deviation of the readout noise on the [0, 1] scale.

    References
    ----------
    D. L. Snyder, A. M. Hammoud, R. L. White: Image recovery from data acquired with a charge-coupled-device
    camera, JOSA A 10 (1993), for the shifted Poisson law.
    """

    gain: float = 1.0
    readout: float = 0.0
    #: Below this intensity, in photons, the logarithm is continued by its tangent, so that a prediction of
    #: black, or less, still has a slope that leads away from it.
    floor: float = 1e-3

    def __post_init__(self) -> None:
        require_positive(self, "gain", "floor")
        require_number(self, "readout")

    def penalty(self, prediction: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        shift = self.readout**2 / self.gain
        intensity = prediction + shift
        target = (y + shift).clamp(min=0)
        lowest = self.floor * self.gain
        bounded = intensity.clamp(min=lowest)
        # Chosen, not added up: the two slopes of 1/lowest would not cancel in single precision.
        tangent = math.log(lowest) + (intensity - lowest) / lowest
        logarithm = torch.where(intensity < lowest, tangent, bounded.log())
        return (intensity - target - target * logarithm + torch.xlogy(target, target)) / self.gain

    def prox(self, point: torch.Tensor, y: torch.Tensor, step: float) -> torch.Tensor:
        shift = self.readout**2 / self.gain
        target = (y + shift).clamp(min=0)
        centre = point + shift - step / self.gain
        root = (centre.square() + (4 * step / self.gain) * target).sqrt()
        return 0.5 * (centre + root) - shift

    def conjugate(self, dual: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        shift = self.readout**2 / self.gain
        target = (y + shift).clamp(min=0)
        slack = 1 - self.gain * dual
        value = -shift * dual - torch.xlogy(target, slack.clamp(min=1e-30)) / self.gain
        return torch.where(_beyond(-slack, 0.0), float("inf"), value)

    def conjugate_prox(
        self, point: torch.Tensor, y: torch.Tensor, step: float | torch.Tensor
    ) -> torch.Tensor:
        shift = self.readout**2 / self.gain
        target = (y + shift).clamp(min=0)
        centre = (1 - self.gain * step * shift) - self.gain * point
        slack = 0.5 * (centre + (centre.square() + (4 * self.gain * step) * target).sqrt())
        return (1 - slack) / self.gain


@dataclass(frozen=True)
class L1(DataTerm):
    """Heavy-tailed noise such as salt and pepper: d(p, y) = |p − y|."""

    def penalty(self, prediction: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (prediction - y).abs()

    def prox(self, point: torch.Tensor, y: torch.Tensor, step: float) -> torch.Tensor:
        return y + torch.nn.functional.softshrink(point - y, step)

    def conjugate(self, dual: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.where(_beyond(dual.abs(), 1.0), float("inf"), dual * y)

    def conjugate_prox(self, point: torch.Tensor, y: torch.Tensor, step: float) -> torch.Tensor:
        return torch.sub(point, y, alpha=step).clamp_(-1, 1)


@dataclass(frozen=True)
class Huber(DataTerm):
    """Gaussian noise with outliers: quadratic up to `delta`, linear beyond.

    d(p, y) = ½(p − y)² where |p − y| ≤ δ, else δ|p − y| − ½δ².

    Parameters
    ----------
    delta : float
        Where the penalty turns linear, on the [0, 1] scale.

    References
    ----------
    P. J. Huber: Robust estimation of a location parameter, Annals of Mathematical Statistics 35 (1964).
    """

    delta: float = 0.05

    def __post_init__(self) -> None:
        require_positive(self, "delta")

    def penalty(self, prediction: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.huber_loss(prediction, y, reduction="none", delta=self.delta)

    def prox(self, point: torch.Tensor, y: torch.Tensor, step: float) -> torch.Tensor:
        difference = point - y
        limit = self.delta * step
        return point - (difference * (step / (1 + step))).clamp(-limit, limit)

    def conjugate(self, dual: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.where(_beyond(dual.abs(), self.delta), float("inf"), dual * (y + 0.5 * dual))

    def conjugate_prox(self, point: torch.Tensor, y: torch.Tensor, step: float) -> torch.Tensor:
        return torch.sub(point, y, alpha=step).div_(1 + step).clamp_(-self.delta, self.delta)


class FeatureNetwork(Protocol):
    """A network whose layers have names, as :class:`Perceptual` needs it."""

    def __call__(self, x: torch.Tensor, layers: Sequence[str]) -> list[torch.Tensor]:
        """The features of the images `x`, (N, C, H, W) in [0, 1], after each of `layers`."""
        ...

    def index(self, layer: str) -> int:
        """Where the layer is; ValueError where there is none of that name."""
        ...

    def to(self, device: torch.device) -> Any:
        """Move the network to `device`."""
        ...


@dataclass(frozen=True, eq=False)
class Perceptual(DataTerm):
    """D(p, y) = pixels · mean ½(p − y)² + features · Σ over layers of mean ½(Φₗ(p) − Φₗ(y))².

    It has no proximal map and no conjugate: it is for priors that follow the gradient (Deep Image Prior and
    the latent ones), not for proximal schemes. Where measurements are left out, prediction and measurement
    are both set to zero there before their features are taken.

    Parameters
    ----------
    extractor : FeatureNetwork
        Φ, such as :class:`zeroshot.generators.vgg.FeatureExtractor`.
    layers : tuple of str
        Its layers that are compared.
    pixels, features : float
        The weights of the two parts.

    References
    ----------
    J. Johnson, A. Alahi, L. Fei-Fei: Perceptual losses for real-time style transfer and super-resolution,
    ECCV 2016.
    """

    has_prox: ClassVar[bool] = False

    extractor: FeatureNetwork = field(repr=False)
    layers: tuple[str, ...] = ("relu2_2",)
    pixels: float = 1.0
    features: float = 1.0
    #: The features of the last measurement with its weight, which stay the same over a run.
    _kept: dict[int, tuple[torch.Tensor, torch.Tensor | None, list[torch.Tensor]]] = field(
        default_factory=dict, repr=False
    )

    def __post_init__(self) -> None:
        for layer in self.layers:
            self.extractor.index(layer)
        for name in ("pixels", "features"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be a number of at least 0, got {getattr(self, name)!r}")

    def to(self, device: torch.device | str) -> Perceptual:
        """The same with a network on the device: itself where its network is there, else with a copy of it."""
        if isinstance(self.extractor, torch.nn.Module):
            held = itertools.chain(self.extractor.parameters(), self.extractor.buffers())
            if all(tensor.device == torch.device(device) for tensor in held):
                return self
        return replace(self, extractor=copy.deepcopy(self.extractor).to(torch.device(device)), _kept={})

    def penalty(self, prediction: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The elementwise part, ½(p − y)²; that of the features is not one per pixel."""
        return 0.5 * (prediction - y).square()

    def prox(self, point: torch.Tensor, y: torch.Tensor, step: float) -> torch.Tensor:
        """There is none in closed form."""
        raise NotImplementedError("the perceptual data term has no proximal map; use 'dip' or a latent prior")

    def __call__(
        self, prediction: torch.Tensor, y: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        pixels = super().__call__(prediction, y, weight)
        if self.features == 0:
            return self.pixels * pixels
        if weight is not None:
            prediction = prediction * weight
        seen = self.extractor(prediction, self.layers)
        wanted = self._features_of(y, weight)
        distance = sum(0.5 * (one - other).square().mean() for one, other in zip(seen, wanted, strict=True))
        return self.pixels * pixels + self.features * distance

    def _features_of(self, y: torch.Tensor, weight: torch.Tensor | None) -> list[torch.Tensor]:
        """Φ(y), computed once for a measurement that does not change."""
        kept = self._kept.get(0)
        if kept is not None and kept[0] is y and kept[1] is weight:
            return kept[2]
        with torch.no_grad():
            features = self.extractor(y if weight is None else y * weight, self.layers)
        self._kept[0] = (y, weight, features)
        return features
