"""The contract of a denoiser: a map from a noisy image and its noise level to a clean one."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch

from zeroshot.checks import is_number
from zeroshot.colour import from_opponent, opponent_axes, to_opponent
from zeroshot.noise import NoiseModel, contrasts
from zeroshot.prior import Prior
from zeroshot.priors.scales import over_scales

#: By how much a plane of colour with less noise than another is weighted, at most.
MOST_WEIGHT = 8.0


class Denoiser(Prior):
    """A prior that is known by its denoiser, which works in one or several passes.

    Subclasses say how many passes there are and what each does; whole images are denoised by :meth:`denoise`.
    """

    @abstractmethod
    def passes(self, sigma: float) -> int:
        """How many passes an image of this noise level takes, at least 1."""

    @abstractmethod
    def refine(self, noisy: torch.Tensor, estimate: torch.Tensor, sigma: float, index: int) -> torch.Tensor:
        """Pass number `index`, counted from 0.

        Constants may be those of a photograph that uses its range from 0 to 1: images of another contrast are
        brought to it first, see :meth:`scaled_pass`.

        Parameters
        ----------
        noisy : torch.Tensor
            (N, C, H, W), on the [0, 1] scale but not confined to it; left unchanged.
        estimate : torch.Tensor
            What the pass before returned; `noisy` itself for the first.
        sigma : float
            Standard deviation of the noise on the [0, 1] scale, above 0.
        index : int
            Which pass.

        Returns
        -------
        torch.Tensor
            The new estimate, (N, C, H, W), not clipped.
        """

    def coloured_passes(self, noise: NoiseModel) -> int:
        """How many passes an image with stationary noise that is not white takes."""
        planes = noise.rotated(opponent_axes(noise.channels or 1))
        return self.passes(max(math.sqrt(row[0]) for row in planes.variances))

    def refine_coloured(
        self, noisy: torch.Tensor, estimate: torch.Tensor, noise: NoiseModel, index: int
    ) -> torch.Tensor:
        """Pass number `index` on stationary noise that is not white.

        By default it is :meth:`refine`, told the standard deviation of the noise, over scales, at each of which
        the planes of brightness and colour are weighted so that their noise is equally strong. See
        :mod:`zeroshot.priors.scales`.

        Parameters
        ----------
        noise : NoiseModel
            Stationary; the others are those of :meth:`refine`.
        """
        axes = opponent_axes(noisy.shape[1])

        def refine(y: torch.Tensor, x: torch.Tensor, models: Sequence[NoiseModel]) -> torch.Tensor:
            return self._refine_planes(y, x, [model.sigma for model in models], index)

        planes = noise.cautious().rotated(axes).planes(len(axes))
        return from_opponent(over_scales(refine, to_opponent(noisy), to_opponent(estimate), planes))

    def _refine_planes(
        self, noisy: torch.Tensor, estimate: torch.Tensor, levels: Sequence[float], index: int
    ) -> torch.Tensor:
        """Pass number `index` on planes (N, C, H, W) of brightness and colour, each with its level of noise."""
        largest = max(levels)
        if largest == 0:
            return noisy
        weights = [largest / max(level, largest / MOST_WEIGHT) for level in levels]
        scale = noisy.new_tensor(weights).view(-1, 1, 1) / weights[0]
        sigma = largest / weights[0]
        if index >= self.passes(sigma):
            return estimate
        refined = self.refine(from_opponent(noisy * scale), from_opponent(estimate * scale), sigma, index)
        return to_opponent(refined) / scale

    def scaled_passes(self, noise: float | NoiseModel, contrast: torch.Tensor) -> int:
        """The most passes that images of this noise and of these contrasts take."""
        return max(self._passes(_relative(noise, scale)) for scale in set(contrast.flatten().tolist()))

    def scaled_pass(
        self,
        noisy: torch.Tensor,
        estimate: torch.Tensor,
        noise: float | NoiseModel,
        index: int,
        contrast: torch.Tensor,
    ) -> torch.Tensor:
        """Pass number `index` on images brought to the contrast of a whole photograph, and back.

        With s the contrast it is s · :meth:`refine` (y/s, x/s, σ/s), so that scaling the image and its noise
        scales the result, and so for :meth:`refine_coloured`. Images that take fewer passes stay.

        Parameters
        ----------
        noise : float or NoiseModel
            The standard deviation of white noise, or what other stationary noise is.
        contrast : torch.Tensor
            (N, 1, 1, 1), see :func:`zeroshot.noise.contrasts`, on any device; the others are those of :meth:`refine`.
        """
        scales = contrast.flatten().tolist()
        if all(scale == 1 for scale in scales):
            return self._refined(noisy, estimate, noise, index)
        result = estimate.clone()
        for scale in set(scales):
            which = [place for place, value in enumerate(scales) if value == scale]
            relative = _relative(noise, scale)
            if index < self._passes(relative):
                # By numbers: a list of them would be copied to the device.
                y, x = (
                    torch.stack([images[place] for place in which]) / scale for images in (noisy, estimate)
                )
                refined = self._refined(y, x, relative, index) * scale
                for place, image in zip(which, refined, strict=True):
                    result[place] = image
        return result

    def _passes(self, noise: float | NoiseModel) -> int:
        return self.coloured_passes(noise) if isinstance(noise, NoiseModel) else self.passes(noise)

    def _refined(
        self, noisy: torch.Tensor, estimate: torch.Tensor, noise: float | NoiseModel, index: int
    ) -> torch.Tensor:
        if isinstance(noise, NoiseModel):
            return self.refine_coloured(noisy, estimate, noise, index)
        return self.refine(noisy, estimate, noise, index)

    def __call__(self, noisy: torch.Tensor, sigma: float) -> torch.Tensor:
        """As :meth:`denoise`, so that a denoiser is called like any function that is plugged in."""
        return self.denoise(noisy, sigma)

    def repeated(self) -> Denoiser:
        """The settings to take where the denoiser is called by name and many times; these by default."""
        return self

    def repetition(self) -> Repetition:
        """What denoises images that change little from call to call."""
        return Repetition(self)

    @torch.no_grad()
    def denoise(
        self, noisy: torch.Tensor, sigma: float, contrast: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The denoised image; a copy of `noisy` where `sigma` is 0.

        Parameters
        ----------
        noisy : torch.Tensor
            (N, C, H, W), floating-point and finite, nominally in [0, 1] but not confined to it; left unchanged.
        sigma : float
            Standard deviation of the noise on the [0, 1] scale.
        contrast : torch.Tensor, optional
            (N, 1, 1, 1), on any device: the contrasts of the images, where they are known better than from `noisy`
            itself.

        Returns
        -------
        torch.Tensor
            (N, C, H, W), not clipped.

        Raises
        ------
        ValueError
            Where either is not as described.
        """
        _require_image(noisy)
        _require_level(sigma)
        if not bool(noisy.isfinite().all()):
            raise ValueError("noisy must be finite, and holds NaN or infinity")
        return self.in_passes(noisy, sigma, contrasts(noisy, sigma).cpu() if contrast is None else contrast)

    @torch.no_grad()
    def in_passes(self, noisy: torch.Tensor, sigma: float, contrast: torch.Tensor) -> torch.Tensor:
        """As :meth:`denoise`, without asking whether `noisy` is finite, for which the host would wait."""
        _require_image(noisy)
        _require_level(sigma)
        if sigma == 0:
            return noisy.clone()
        estimate = noisy
        for index in range(self.scaled_passes(sigma, contrast)):
            estimate = self.scaled_pass(noisy, estimate, sigma, index, contrast)
        return estimate


class Repetition:
    """Calls of a denoiser on images that change little; what one has found may serve the next. Here nothing does."""

    def __init__(self, denoiser: Denoiser) -> None:
        self._denoiser = denoiser

    def denoise(
        self, noisy: torch.Tensor, sigma: float, contrast: torch.Tensor, *, afresh: bool
    ) -> torch.Tensor:
        """As :meth:`Denoiser.in_passes`.

        Parameters
        ----------
        noisy, sigma, contrast
            As there.
        afresh : bool
            Whether nothing may be taken from earlier calls.
        """
        return self._denoiser.in_passes(noisy, sigma, contrast)

    def state_dict(self) -> dict[str, Any]:
        """What the next call depends on."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""


def _relative(noise: float | NoiseModel, scale: float) -> float | NoiseModel:
    """Noise in units of a contrast."""
    return noise.scaled(1 / scale) if isinstance(noise, NoiseModel) else noise / scale


def _require_image(noisy: torch.Tensor) -> None:
    if not isinstance(noisy, torch.Tensor) or not noisy.is_floating_point():
        kind = noisy.dtype if isinstance(noisy, torch.Tensor) else type(noisy).__name__
        raise ValueError(f"noisy must be a floating-point tensor (N, C, H, W), got {kind}")
    if noisy.ndim != 4 or 0 in noisy.shape:
        raise ValueError(f"noisy must be (N, C, H, W) and not empty, got the shape {tuple(noisy.shape)}")


def _require_level(sigma: float) -> None:
    if not is_number(sigma) or sigma < 0:
        raise ValueError(f"sigma must be a number from 0 to 1, got {sigma!r}")
    if sigma > 1:
        raise ValueError(f"sigma is on the [0, 1] scale: {sigma:g}/255, got {sigma:g}")
