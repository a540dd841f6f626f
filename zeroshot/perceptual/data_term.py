"""The perceptual data term: how different two images look to a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from zeroshot.data_terms import DataTerm
from zeroshot.perceptual.vgg import FeatureExtractor


@dataclass(frozen=True, eq=False)
class Perceptual(DataTerm):
    """D(p, y) = pixels · mean ½(p − y)² + features · Σ over layers of mean ½(Φₗ(p) − Φₗ(y))².

    It has no proximal map and no conjugate: it is for priors that follow the gradient (Deep Image Prior and
    the latent ones), not for proximal schemes. Where measurements are left out, prediction and measurement
    are both set to zero there before their features are taken.

    Parameters
    ----------
    extractor : FeatureExtractor
        Φ.
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

    extractor: FeatureExtractor = field(repr=False)
    layers: tuple[str, ...] = ("relu2_2",)
    pixels: float = 1.0
    features: float = 1.0
    #: The features of the last measurement, which stays the same over a run.
    _kept: dict[int, tuple[torch.Tensor, list[torch.Tensor]]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for layer in self.layers:
            self.extractor.index(layer)
        for name in ("pixels", "features"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be a number of at least 0, got {getattr(self, name)!r}")

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
        self.extractor.to(prediction.device)
        seen = self.extractor(prediction, self.layers)
        wanted = self._features_of(y, weight)
        distance = sum(0.5 * (one - other).square().mean() for one, other in zip(seen, wanted, strict=True))
        return self.pixels * pixels + self.features * distance

    def _features_of(self, y: torch.Tensor, weight: torch.Tensor | None) -> list[torch.Tensor]:
        """Φ(y), computed once for a measurement that does not change."""
        shown = y if weight is None else y * weight
        kept = self._kept.get(0)
        if kept is not None and kept[0].shape == shown.shape and torch.equal(kept[0], shown):
            return kept[1]
        with torch.no_grad():
            features = self.extractor(shown, self.layers)
        self._kept[0] = (shown.detach().clone(), features)
        return features
