"""What the noise of an image is: its variance against the intensity, its spectrum, its correlation between channels.

White Gaussian noise of one level is the special case that costs nothing, and everything else is told apart from it by
:attr:`NoiseModel.is_white`.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Any

import torch

from zeroshot.checks import is_number
from zeroshot.noise import model_file, model_parts
from zeroshot.noise import spectrum as spectra_of
from zeroshot.noise.curve import Curve, Stabiliser
from zeroshot.noise.synthesis import add_gaussian, add_poisson, add_salt_and_pepper

#: Whitening amplifies no frequency by more than the root of one over this share of the mean power.
LEAST_POWER = 0.05
#: White power that is added to an estimated spectrum, in units of its mean; and what its levels are multiplied by.
SPREAD, MARGIN = 0.2, 1.1


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """Noise ``n_c = √v_c(x_c) · z_c`` of channel c at a pixel of value x.

    z is stationary with mean 0. Along each of the orthonormal `axes` of colour it has the variance `powers` and the
    spectrum `spectra`, independently of the others; its variance averaged over the channels is 1. Rows and columns may
    be shifted as a whole, and a share of the pixels may be impulses, black or white.

    Attributes
    ----------
    intensities : tuple of float
        Knots of the variance on the [0, 1] scale, ascending; one knot for a constant.
    variances : tuple of tuple of float
        v_c at the knots, one row for each channel or one for all; linear between the knots, constant outside.
    axes : torch.Tensor or None
        (C, C), an axis in each row, float64; None: the channels themselves.
    powers : torch.Tensor or None
        (C,), variance of z along each axis, float64; None: 1.
    spectra : torch.Tensor or None
        (C or 1, F, F): the power at the frequencies π i/(F−1) down and π j/(F−1) along, with the mean 1, float64; None:
        white.
    rows, columns : float
        Standard deviation of the offsets of whole rows and columns.
    impulses : float
        Share of the pixels that are black or white whatever they were.
    confidence : float
        How far an estimate is to be trusted, from 0 to 1; 1 for what was told.
    reason : str
        Why the confidence is low, in a few words.

    Raises
    ------
    ValueError
        In one line, where the parts do not fit or are out of their range.
    """

    intensities: tuple[float, ...]
    variances: tuple[tuple[float, ...], ...]
    axes: torch.Tensor | None = None
    powers: torch.Tensor | None = None
    spectra: torch.Tensor | None = None
    rows: float = 0.0
    columns: float = 0.0
    impulses: float = 0.0
    confidence: float = 1.0
    reason: str = ""

    def __post_init__(self) -> None:
        model_parts.require_curve(self.intensities, self.variances)
        for name, most in (("rows", 1.0), ("columns", 1.0), ("impulses", 1.0), ("confidence", 1.0)):
            value = getattr(self, name)
            if not (is_number(value) and 0 <= value <= most):
                raise ValueError(f"{name} of a noise model must lie between 0 and {most:g}, got {value!r}")
        for name in ("axes", "powers", "spectra"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, torch.as_tensor(value, dtype=torch.float64).cpu())
        model_parts.require_components(len(self.variances), self.axes, self.powers, self.spectra)
        if self.spectra is not None:
            object.__setattr__(self, "spectra", spectra_of.normalised(self.spectra))

    # --- special cases ---

    @classmethod
    def white(cls, sigma: float, confidence: float = 1.0) -> NoiseModel:
        """White Gaussian noise of one level, on the [0, 1] scale."""
        return cls((0.0,), ((float(sigma) ** 2,),), confidence=confidence)

    @classmethod
    def photon(cls, gain: float, readout: float = 0.0) -> NoiseModel:
        """Photon noise, whose variance is ``readout² + gain · x``: a photon adds `gain` to the value."""
        return cls((0.0, 1.0), ((float(readout) ** 2, float(readout) ** 2 + float(gain)),))

    @property
    def channels(self) -> int | None:
        """How many channels the parts are for; None where they are for any number."""
        sizes = [len(self.variances)]
        sizes += [len(part) for part in (self.axes, self.powers, self.spectra) if part is not None]
        return max(sizes) if max(sizes) > 1 else None

    @property
    def is_stationary(self) -> bool:
        """Whether the noise is the same at all intensities."""
        return all(min(row) == max(row) for row in self.variances)

    @property
    def is_white(self) -> bool:
        """Whether it is white Gaussian noise of one level in all channels, and nothing else."""
        even = self.powers is None or bool((self.powers == self.powers[0]).all())
        one = len({value for row in self.variances for value in row}) == 1
        plain = self.rows == self.columns == self.impulses == 0
        return one and even and plain and (self.spectra is None or bool((self.spectra == 1).all()))

    @property
    def sigma(self) -> float:
        """The root of the variance averaged from black to white and over the channels."""
        return math.sqrt(sum(curve.mean() for curve in self._curves()) / len(self.variances))

    @property
    def correlation_length(self) -> float:
        """In pixels, of the axis with the most power; 1 for white noise."""
        if self.spectra is None:
            return 1.0
        strongest = 0 if self.powers is None or len(self.spectra) == 1 else int(self.powers.argmax())
        return spectra_of.correlation_length(self.spectra[strongest])

    def cautious(self) -> NoiseModel:
        """The noise to reckon with: what was told as it is, and an estimate of correlated noise with a margin.

        The noise of a photograph is not quite stationary, and some of it lies where its mean spectrum is low. A
        denoiser that takes an estimate at its word leaves that. With some white noise added, and all of it a little
        stronger, less is left, and a spectrum that is somewhat wrong does less harm.
        """
        if self.spectra is None or self.confidence >= 1:
            return self
        widened = replace(self, spectra=self.spectra + SPREAD)
        return widened.scaled(MARGIN * math.sqrt(1 + SPREAD))

    # --- its parts at an image ---

    def _curves(self) -> list[Curve]:
        return [Curve(self.intensities, row) for row in self.variances]

    def level(self, x: torch.Tensor) -> torch.Tensor:
        """The standard deviation √v_c(x_c) at each value of an image (N, C, H, W)."""
        self._require_channels(x)
        curves = self._curves()
        if len(curves) == 1:
            return curves[0].at(x).sqrt()
        return torch.stack([curve.at(x[:, c]) for c, curve in enumerate(curves)], dim=1).sqrt()

    def scaled(self, strength: float) -> NoiseModel:
        """The same noise with all standard deviations multiplied by `strength`."""
        variances = tuple(tuple(value * strength**2 for value in row) for row in self.variances)
        return replace(self, variances=variances, rows=self.rows * strength, columns=self.columns * strength)

    def on_range(self, black: float, factor: float) -> NoiseModel:
        """The same noise in an image whose values x became ``black + factor · x``."""
        return replace(
            self.scaled(factor), intensities=tuple(black + factor * value for value in self.intensities)
        )

    def sample(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """`x` (N, C, H, W) with noise of this kind added, not clipped; uncorrelated photons come in whole numbers."""
        self._require_channels(x)
        noisy = self._photons(x, generator)
        if noisy is None:
            noisy = x + self.level(x) * self._stationary_sample(x, generator)
        for level, shape in ((self.rows, (*x.shape[:3], 1)), (self.columns, (*x.shape[:2], 1, x.shape[3]))):
            if level:
                noisy = noisy + level * torch.randn(shape, generator=generator, device=generator.device).to(x)
        return add_salt_and_pepper(noisy, self.impulses, generator) if self.impulses else noisy

    def _photons(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor | None:
        law = self._curves()[0].photon_law
        alike = len(set(self.variances)) == 1 and (self.powers is None or bool((self.powers == 1).all()))
        if law is None or not alike or self.spectra is not None:
            return None
        return add_gaussian(add_poisson(x, 1 / law[0], generator), law[1], generator)

    def _stationary_sample(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        z = torch.randn(x.shape, generator=generator, device=generator.device).to(x)
        if self.spectra is not None:
            z = spectra_of.filtered(z, spectra_of.over_fft(self.spectra, *x.shape[-2:]).sqrt())
        if self.powers is not None:
            z = z * self.powers.sqrt().to(x)[:, None, None]
        if self.axes is not None:
            z = torch.einsum("kc,nkhw->nchw", self.axes.to(x), z)
        return z

    # --- the same at all intensities ---

    def stabilise(self, y: torch.Tensor) -> tuple[torch.Tensor, NoiseModel]:
        """The measurement with noise that does not depend on the intensity, and the model of that noise.

        All channels are mapped by the transform of the mean of their curves, see
        :class:`~zeroshot.noise.curve.Stabiliser`,
        0 at black and 1 at white; channels with more noise than others keep it.
        """
        self._require_channels(y)
        if self.is_stationary:
            return y, self
        return self._stabiliser.forward(y), self._stationary(y, self._stabiliser.level)

    def unstabilise(self, t: torch.Tensor) -> torch.Tensor:
        """An estimate on the scale of :meth:`stabilise`, mapped back to that of the image without bias."""
        return t if self.is_stationary else self._stabiliser.inverse(t)

    @functools.cached_property
    def _stabiliser(self) -> Stabiliser:
        means = tuple(sum(values) / len(values) for values in zip(*self.variances, strict=True))
        return Stabiliser(Curve(self.intensities, means))

    def _stationary(self, y: torch.Tensor, level: float) -> NoiseModel:
        """The model of the stabilised noise, whose mean variance over the channels is level²."""
        if len(self.variances) == 1:
            shares = [1.0]
        else:
            variances = self.level(y.clamp(0, 1)).square()
            means = (variances / variances.mean(dim=1, keepdim=True).clamp(min=1e-12)).mean(dim=(0, 2, 3))
            shares = means.tolist()
        return replace(self, intensities=(0.0,), variances=tuple((level**2 * share,) for share in shares))

    def rotated(self, axes: torch.Tensor) -> NoiseModel:
        """The stationary noise of the image rotated to the planes ``axes @ image``, those taken for independent.

        Parameters
        ----------
        axes : torch.Tensor
            (C, C), orthonormal rows.
        """
        if self.is_white:
            return self
        count = len(axes)
        deviations = torch.tensor(self._constants(count), dtype=torch.float64).sqrt()
        own = torch.eye(count, dtype=torch.float64) if self.axes is None else self.axes
        weights = (axes.double() * deviations) @ own.T
        weights = weights.square() * (1.0 if self.powers is None else self.powers)
        spectra = None
        if self.spectra is not None:
            spectra = torch.einsum("kj,jab->kab", weights, self.spectra.expand(count, -1, -1))
        variances = tuple((float(value),) for value in weights.sum(dim=1))
        return replace(self, variances=variances, axes=None, powers=None, spectra=spectra)

    def plane(self, index: int) -> NoiseModel:
        """The noise of one plane of a model without axes of its own, such as :meth:`rotated` gives."""
        if self.axes is not None or self.powers is not None:
            raise ValueError("planes of a noise model are those of rotated(axes)")
        row = self.variances[index if len(self.variances) > 1 else 0]
        which = None if self.spectra is None else self.spectra[index if len(self.spectra) > 1 else 0][None]
        return replace(self, variances=(row,), spectra=which)

    def planes(self, count: int) -> list[NoiseModel]:
        """The noise of each of `count` planes, see :meth:`plane`."""
        return [self.plane(index) for index in range(count)]

    def block_variances(self, transform: torch.Tensor) -> torch.Tensor:
        """The variance of each coefficient of p × p blocks, for each plane of a stationary model without axes.

        Parameters
        ----------
        transform : torch.Tensor
            Of a line of a block, (p, p).

        Returns
        -------
        torch.Tensor
            (planes, p · p), float64.
        """
        planes = self._plane_count
        spectra = spectra_of.white() if self.spectra is None else self.spectra
        variances = torch.tensor(self._constants(planes), dtype=torch.float64)
        return (
            spectra_of.coefficient_variances(spectra.expand(planes, -1, -1), transform) * variances[:, None]
        )

    def white_level(self) -> list[float]:
        """What a denoiser of white noise should be told of each plane of a stationary model without axes.

        It is ``√(∫ S² / ∫ S)`` of the power S over the band: the level of the frequencies that carry the noise.
        """
        planes = self._plane_count
        variances = self._constants(planes)
        if self.spectra is None:
            return [math.sqrt(value) for value in variances]
        squares = spectra_of.band_mean(self.spectra.square()).expand(planes).tolist()
        return [math.sqrt(value * square) for value, square in zip(variances, squares, strict=True)]

    @property
    def equivalent_sigma(self) -> float:
        """What a denoiser that knows one level of white noise only should be told of stationary noise.

        It is ``√(Σ ∫ P² / Σ ∫ P)`` of the power P along each axis of colour: the level of what carries the noise, and
        the level itself of white noise that is the same in all channels.
        """
        own = self.rotated(torch.eye(self.channels or 1) if self.axes is None else self.axes)
        powers = torch.tensor([row[0] for row in own.variances], dtype=torch.float64)
        squares = powers.new_ones(1) if own.spectra is None else spectra_of.band_mean(own.spectra.square())
        total = float(powers.sum())
        return math.sqrt(float((powers.square() * squares).sum()) / total) if total > 0 else 0.0

    def coarser(self) -> NoiseModel:
        """The stationary noise of the image at half the size, shrunk by leaving out the upper half of the band.

        White noise has a quarter of the variance then, of which half the band is left in either direction; offsets of
        rows or columns, which are white in one direction alone, have half of theirs.
        """
        planes = self._plane_count
        variances = self._constants(planes)
        half = replace(self, rows=self.rows * math.sqrt(0.5), columns=self.columns * math.sqrt(0.5))
        if self.spectra is None:
            return replace(half, variances=tuple((value / 4,) for value in variances))
        lower = spectra_of.lower_half(self.spectra)
        shares = spectra_of.band_mean(lower).expand(planes).tolist()
        if self.axes is not None or self.powers is not None:
            powers = torch.ones(planes, dtype=torch.float64) if self.powers is None else self.powers
            powers = powers * torch.tensor(shares, dtype=torch.float64)
            mean = float(powers.mean())
            scaled = tuple((value * mean / 4,) for value in variances)
            return replace(half, variances=scaled, powers=powers / mean, spectra=lower)
        scaled = tuple((value * share / 4,) for value, share in zip(variances, shares, strict=True))
        return replace(half, variances=scaled, spectra=lower)

    def whiten(self, residual: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        """``S^(−1/2) r / √v``: a residual (N, C, H, W) whose noise becomes white with variance 1.

        Linear in the residual, and circular. Frequencies and axes with hardly any noise count for no more than those
        with a twentieth of the mean power.

        Parameters
        ----------
        residual : torch.Tensor
            What is to be whitened.
        at : torch.Tensor
            The image whose values say how strong the noise is, of the same shape.
        """
        values = residual / self.level(at).clamp(min=math.sqrt(LEAST_POWER) * max(self.sigma, 1e-6))
        if self.axes is not None:
            values = torch.einsum("kc,nchw->nkhw", self.axes.to(values), values)
        if self.powers is not None:
            powers = self.powers.clamp(min=LEAST_POWER * float(self.powers.mean()))
            values = values / powers.sqrt().to(values)[:, None, None]
        if self.spectra is None:
            return values
        power = spectra_of.over_fft(self.spectra, *values.shape[-2:]).clamp(min=LEAST_POWER)
        return spectra_of.filtered(values, power.rsqrt())

    @property
    def _plane_count(self) -> int:
        """How many planes a model without axes tells apart."""
        return max(len(self.variances), 1 if self.spectra is None else len(self.spectra))

    def _constants(self, planes: int) -> list[float]:
        if not self.is_stationary:
            raise ValueError("this is a question to stationary noise; stabilise the image first")
        values = [row[0] for row in self.variances]
        return values * planes if len(values) == 1 else values

    def _require_channels(self, image: torch.Tensor) -> None:
        if self.channels is not None and image.shape[1] != self.channels:
            raise ValueError(
                f"the noise model is of {self.channels} channels, but the image has {image.shape[1]}"
            )

    # --- files ---

    def to_dict(self) -> dict[str, Any]:
        """The model as numbers, lists and strings, for JSON."""
        return model_file.as_dict(self)

    @classmethod
    def from_dict(cls, values: Any) -> NoiseModel:
        """The model that :meth:`to_dict` gave.

        Raises
        ------
        ValueError
            In one line, where `values` is none.
        """
        return model_file.from_dict(cls, values)

    def summary(self) -> dict[str, Any]:
        """What a result records of it: the curve, the levels along the axes, how far it reaches, and a checksum."""
        return model_file.summary(self)

    def to_json(self) -> str:
        """The text of :meth:`to_dict`."""
        return model_file.as_json(self)
