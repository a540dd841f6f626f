"""How probable the spectrum of a picture is under the kernel that blurred it.

Natural scenes look alike at all scales: along each direction θ their power falls as ``S(f, θ) = g(θ) f^−α``, α near 2,
with edges as sharp as a lens allows. A picture ``y = k ∗ x + n`` has the spectrum

    S_y(ω) = |K(ω)|² S(ω) + σ²,

seen through the window of the picture. A kernel is the more probable the better this fits, be it one of a shape or a
free one; it needs no edges, and noise and texture seldom pass for a kernel. The phase says
nothing: a kernel and its mirror image are alike.

References
----------
D. J. Field: Relations between the statistics of natural images and the response properties of cortical cells, JOSA A 4
(1987), for the power law. P. Whittle: Estimation and information in stationary time series, Arkiv för Matematik 2
(1953), for the probability of a spectrum.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import torch

from zeroshot.noise.estimate import QUANTISATION

#: The exponent α of natural scenes.
EXPONENT = 2.15
#: Variance, in pixels of the sharp picture, by which lenses blur along either axis: that of edges as sharp as they get.
LENS_VARIANCE = 0.25
#: Below that many radians a pixel the spectrum is that of the window and of what the picture shows.
LOWEST_FREQUENCY = 0.3
#: Log-spectra scatter more than those of Gaussian processes: the degrees of freedom of the loss.
DEGREES_OF_FREEDOM = 2.0
#: A wave is heard above the noise where its power is that many times its own.
ABOVE_NOISE = 4
#: A blur of that gain, see :meth:`PowerLaw.gain`, is one whatever edges tell: sharp pictures have none above 0.05.
CLEAR_GAIN = 0.15
#: With fewer waves above the noise a picture tells nothing of a kernel.
_LEAST_WAVES = 100
#: Of which share of the waves the weakest is taken for noise where that is less than rounding makes, and the least
#: level that is believed.
_QUIETEST, _LEAST_NOISE = 0.02, 1e-5
#: Directions that have a power of their own.
_DIRECTIONS = 8
#: Mean and variance of the logarithm of an exponentially distributed number of mean 1.
_LOG_MEAN, _LOG_VARIANCE = -0.5772156649, math.pi**2 / 6
#: The steps in which the power along each direction is found, and the longest of them.
_STEPS, _LONGEST_STEP = 12, 1.5
#: Waves that are looked at where many kernels are compared, and the numbers held at once.
_FEW_WAVES, _AT_ONCE = 6000, 2_000_000
#: Over how many pixels the window closes towards places that show nothing.
_CLOSING = 16
#: The least of |K|² at its zeros, which the window of the picture fills.
_FLOOR = 3e-3


def hann(shape: tuple[int, ...]) -> np.ndarray:
    """Hann's window over a plane (H, W), without its zeros at the borders."""
    return np.outer(*(np.hanning(side + 2)[1:-1] for side in shape))


def windowed_power(plane: np.ndarray, window: np.ndarray) -> np.ndarray:
    """The power of a plane (H, W) less its mean, both under a window, at the waves of ``rfft2``."""
    mean = (plane * window).sum() / window.sum()
    return np.abs(np.fft.rfft2((plane - mean) * window)) ** 2 / np.square(window).sum()


class PowerLaw:
    """The spectrum of a picture, and how improbable kernels make it.

    Parameters
    ----------
    plane : torch.Tensor
        (H, W).
    noise : float
        Its standard deviation.
    known : torch.Tensor, optional
        (H, W), 0 where the plane shows nothing; the window closes towards such places.
    """

    def __init__(self, plane: torch.Tensor, noise: float, known: torch.Tensor | None = None) -> None:
        self.shape: tuple[int, int] = (plane.shape[0], plane.shape[1])
        values = plane.double().numpy()
        self._window = hann(self.shape)
        if known is not None and not bool(known.all()):
            # Loaded where it is needed: it takes a good part of a second.
            from scipy import ndimage

            near = ndimage.distance_transform_edt(known.numpy() > 0) / _CLOSING
            self._window *= 0.5 - 0.5 * np.cos(np.pi * np.minimum(near, 1))
        power = windowed_power(values, self._window)
        down, across = np.meshgrid(
            2 * np.pi * np.fft.fftfreq(self.shape[0]),
            2 * np.pi * np.fft.rfftfreq(self.shape[1]),
            indexing="ij",
        )
        # The mirror images in the first column, and in the last one of an even width, say nothing new.
        is_mirrored = ((across == 0) | np.isclose(across, np.pi)) & (down < 0)
        self._kept = (np.hypot(down, across) > LOWEST_FREQUENCY) & ~is_mirrored
        self.down, self.across = (torch.from_numpy(one[self._kept]).float() for one in (down, across))
        measured = torch.from_numpy(power[self._kept]).float()
        # Pictures that were never rounded have less noise than the steps of 8 bits make.
        least = float(torch.quantile(measured, _QUIETEST)) / -math.log(1 - _QUIETEST)
        self._noise = max(noise**2, min(QUANTISATION**2, least), _LEAST_NOISE**2)
        self._log_power = (measured + 1e-15).log()
        radius = torch.hypot(self.down, self.across)
        self._law = -EXPONENT * radius.log() - LENS_VARIANCE * radius.square()
        turn = torch.atan2(self.down, self.across).remainder(math.pi) / math.pi
        direction = (turn * _DIRECTIONS).long().clamp(max=_DIRECTIONS - 1)
        self._direction = torch.nn.functional.one_hot(direction, _DIRECTIONS).float()
        #: How many waves there are, and how many of them are heard above the noise.
        self.waves, self.heard = len(measured), int((measured > ABOVE_NOISE * self._noise).sum())

    @cached_property
    def few(self) -> torch.Tensor:
        """The indices of waves that do for a comparison of many kernels, drawn evenly."""
        order = torch.randperm(self.waves, generator=torch.Generator().manual_seed(0))
        return order[:_FEW_WAVES]

    @cached_property
    def all(self) -> torch.Tensor:
        """The indices of all waves."""
        return torch.arange(self.waves)

    def losses(self, transfers: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        """The negative log-probability a wave, in nats, of the picture under kernels.

        With Student's t for the scatter, and for each kernel with the power along each direction under which it is
        the most probable. The true kernel has 0.45 to 0.5.

        Parameters
        ----------
        transfers : torch.Tensor
            |K|² at the waves, (kernels, waves).
        which : torch.Tensor
            The indices of the waves.

        Returns
        -------
        torch.Tensor
            (kernels,).
        """
        parts = transfers.split(max(1, _AT_ONCE // len(which)))
        return torch.cat([self._losses(part, which) for part in parts])

    def _losses(self, transfers: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        shape = self._law[chosen] + transfers.clamp(min=1e-9).log()
        measured, direction = self._log_power[chosen], self._direction[chosen]
        gains = (measured - self._law[chosen]).median().expand(len(transfers), _DIRECTIONS)

        def predicted(gains: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            signal = torch.exp(gains @ direction.T + shape)
            return signal, signal + self._noise

        for _ in range(_STEPS):
            signal, power = predicted(gains)
            share, off = signal / power, measured - power.log() - _LOG_MEAN
            weight = (DEGREES_OF_FREEDOM + 1) / (DEGREES_OF_FREEDOM * _LOG_VARIANCE + off.square())
            pull, stiffness = (weight * share * off) @ direction, (weight * share.square()) @ direction
            gains = gains + (pull / (stiffness + 1)).clamp(-_LONGEST_STEP, _LONGEST_STEP)
        off = measured - predicted(gains)[1].log() - _LOG_MEAN
        scatter = torch.log1p(off.square() / (DEGREES_OF_FREEDOM * _LOG_VARIANCE)).sum(dim=1)
        # Neighbouring directions differ by a factor of e for the price of half a nat.
        roughness = (gains - gains.roll(1, 1)).square().sum(dim=1) / 2
        return ((DEGREES_OF_FREEDOM + 1) / 2 * scatter + roughness) / len(chosen)

    def loss(self, kernel: torch.Tensor, error: float = 0.0) -> float:
        """The loss of one kernel, whose transfer function is seen through the window of the picture.

        Parameters
        ----------
        kernel : torch.Tensor
            (h, w).
        error : float
            How wrong it may be: the energy of what is white and unknown in it, as a share of its own.
        """
        unknown = error * float(kernel.square().sum())
        return float(self.losses(self._seen(kernel)[None] + unknown, self.all))

    @property
    def is_silent(self) -> bool:
        """Whether too little of the spectrum is above the noise to tell anything."""
        return self.heard < _LEAST_WAVES

    def gain(self, loss: float) -> float:
        """By how much more probable than no blur a kernel of this loss is, in nats for each wave above the noise."""
        return (self.loss_without_blur - loss) * self.waves / max(self.heard, 1)

    @cached_property
    def loss_without_blur(self) -> float:
        """The loss of no blur."""
        return self.loss(torch.ones(1, 1))

    def _seen(self, kernel: torch.Tensor) -> torch.Tensor:
        size = [2 * side for side in self.shape]
        own = np.fft.irfft2(np.abs(np.fft.rfft2(kernel.double().numpy(), size)) ** 2, size)
        smooth = np.fft.rfft2(own * self._lags, size).real[::2, ::2]
        return torch.from_numpy(smooth[self._kept]).float()

    @cached_property
    def _lags(self) -> np.ndarray:
        """The autocorrelation of the window, 1 at no lag."""
        size = [2 * side for side in self.shape]
        lags = np.fft.irfft2(np.abs(np.fft.rfft2(self._window, size)) ** 2, size)
        return lags / lags[0, 0]

    def line(self, length: float, angle: float, which: torch.Tensor) -> torch.Tensor:
        """|K|² of a motion along a line, in pixels and in degrees counter-clockwise from right."""
        along = self._along(angle, which)
        return torch.sinc(along * length / (2 * math.pi)).square().clamp(min=_FLOOR)

    def disk(self, radius: float, which: torch.Tensor) -> torch.Tensor:
        """|K|² of a disk."""
        phase = radius * torch.hypot(self.across[which], self.down[which])
        return (2 * torch.special.bessel_j1(phase) / phase).square().clamp(min=_FLOOR)

    def gaussian(self, along: float, across: float, angle: float, which: torch.Tensor) -> torch.Tensor:
        """|K|² of a Gaussian with these standard deviations, the first of them at `angle`."""
        first, second = self._along(angle, which), self._along(angle + 90, which)
        return torch.exp(-(along * first).square() - (across * second).square())

    def _along(self, angle: float, which: torch.Tensor) -> torch.Tensor:
        turn = math.radians(angle)
        return self.across[which] * math.cos(turn) - self.down[which] * math.sin(turn)
