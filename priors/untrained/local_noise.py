"""Noise as the image itself has it: measured where the image is flat, for each class of intensity by itself.

No law is fitted. A class has the spectrum of its blocks and, at each frequency, their correlation between channels,
so that noise may be of any colour, and depend on the intensity in any way. It is taken to be Gaussian in each place.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

#: Side of the blocks, and the distance of those that are looked at.
_SIDE, _STRIDE = 32, 8
#: The image's blocks are divided into so many classes of intensity, and of each this share is taken, the flattest.
_CLASSES, _SHARE = 6, 0.1
#: Sides of the mean filters, applied twice, that take the noise out of an estimate where it is flat. What the wider
#: finds is right on the average of the real photographs at hand, at scales of up to four pixels. Where that is so many
#: times what the narrower finds, it is structure, and the narrower is taken.
_WIDE, _NARROW, _STRUCTURE = 5, 3, 1.25
#: The least number of blocks that make a class.
_LEAST = 4
#: Frequencies below this, in periods a block, are given the power of those up to the next: estimates of the content
#: keep what noise they have.
_LOW, _NEXT = 1.5, 2.5


@dataclass(frozen=True, eq=False)
class LocalNoise:
    """Noise by classes of intensity.

    Attributes
    ----------
    factors : torch.Tensor
        (K, S, S/2 + 1, C, C): at each frequency of blocks of S × S pixels, the Cholesky factor of the covariance of the
        channels.
    intensities : torch.Tensor
        (K,), the mean of the image over the blocks of each class and all channels, ascending.
    side : int
        S, even.
    """

    factors: torch.Tensor
    intensities: torch.Tensor
    side: int

    @classmethod
    def of(cls, noisy: torch.Tensor, clean: torch.Tensor) -> LocalNoise:
        """The noise of an image, measured in the blocks whose content is flattest.

        Parameters
        ----------
        noisy : torch.Tensor
            (1, C, H, W).
        clean : torch.Tensor
            An estimate of its content, which may have kept some of the noise: it is smoothed before it is subtracted.
        """
        channels = noisy.shape[1]
        side = min(_SIDE, min(noisy.shape[-2:]) // 4 * 2)
        planes = _planes(side).to(noisy)
        shown = _blocks(clean, side)
        intensity = shown.mean((1, 2))
        structure = _without(shown, planes).square().mean((1, 2))
        # What a block loses with its plane is made up for.
        gain = (side**2 / (side**2 - planes.shape[1])) ** 0.5
        found, narrow = (
            gain * _without(_blocks(noisy - _smoothed(clean, width), side), planes)
            for width in (_WIDE, _NARROW)
        )
        window = _window(side).to(noisy).square()
        window = window / window.square().mean().sqrt()
        means, factors = [], []
        classes = min(_CLASSES, max(1, len(intensity) // (2 * _LEAST)))
        for members in intensity.argsort(stable=True).chunk(classes):
            count = min(len(members), max(_LEAST, round(_SHARE * len(members))))
            flattest = members[structure[members].argsort(stable=True)[:count]]
            means.append(intensity[flattest].mean())
            mine, less = found[flattest], narrow[flattest]
            chosen = less if mine.std() > _STRUCTURE * less.std() else mine
            spectra = torch.fft.rfft2(chosen.view(-1, channels, side, side) * window) / side
            factors.append(_factor(spectra))
        return cls(torch.stack(factors), torch.stack(means), side)

    def sample(self, image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """New noise for `image` (1, C, H, W), of its shape.

        Blocks overlap by a half, under windows whose squares sum to 1, so that the variance is kept.
        """
        channels, side = image.shape[1], self.side
        half = side // 2
        wanted = F.avg_pool2d(image.mean(1, keepdim=True), side, half, half, count_include_pad=False)
        rows, columns = wanted.shape[-2:]
        which = self._classes(wanted.flatten(), generator)
        white = torch.randn(rows * columns, channels, side, side, generator=generator).to(image)
        spectrum = torch.fft.rfft2(white).permute(0, 2, 3, 1).unsqueeze(-1)
        coloured = (self.factors[which] @ spectrum).squeeze(-1).permute(0, 3, 1, 2)
        blocks = torch.fft.irfft2(coloured, s=(side, side)) * _window(side).to(image)
        size = (half * (rows + 1), half * (columns + 1))
        together = F.fold(blocks.reshape(1, rows * columns, -1).mT, size, side, stride=half)
        height, width = image.shape[-2:]
        return together.view(1, channels, *size)[..., half : half + height, half : half + width]

    def _classes(self, wanted: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """A class for each intensity: one of the two beside it, the nearer the likelier."""
        above = torch.searchsorted(self.intensities, wanted).clamp(0, len(self.intensities) - 1)
        below = (above - 1).clamp(min=0)
        low, high = self.intensities[below], self.intensities[above]
        share = ((wanted - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
        drawn = torch.rand(len(wanted), generator=generator).to(wanted)
        return torch.where(drawn < share, above, below)


def _factor(spectra: torch.Tensor) -> torch.Tensor:
    """The factor of the mean covariance of the channels at each frequency, from spectra (K, C, S, S/2 + 1)."""
    channels, side = spectra.shape[1:3]
    flat = spectra.permute(2, 3, 1, 0)
    covariance = flat @ flat.mH / spectra.shape[0]
    down = torch.fft.fftfreq(side, 1 / side)[:, None].to(covariance.real)
    along = torch.arange(side // 2 + 1).to(down)
    radius = (down.square() + along.square()).sqrt()
    ring = covariance[(radius > _LOW) & (radius <= _NEXT)].mean(0)
    covariance[radius <= _LOW] = ring.real.to(covariance.dtype)
    # A frequency without noise in some colour has no factor.
    least = 1e-4 * covariance.diagonal(dim1=-2, dim2=-1).real.mean().clamp(min=1e-12)
    identity = torch.eye(channels, device=covariance.device)
    return torch.linalg.cholesky(covariance + least * identity)


def _smoothed(image: torch.Tensor, width: int) -> torch.Tensor:
    for _ in range(2):
        image = F.avg_pool2d(image, width, 1, width // 2, count_include_pad=False)
    return image


def _window(side: int) -> torch.Tensor:
    """Half a wave of the sine, down times along: squares of windows that overlap by a half sum to 1."""
    line = torch.sin(torch.pi * (torch.arange(side) + 0.5) / side)
    return line[:, None] * line


def _blocks(image: torch.Tensor, side: int) -> torch.Tensor:
    """(K, C, side²), every block on a grid."""
    windows = image[0].unfold(1, side, _STRIDE).unfold(2, side, _STRIDE)
    return windows.permute(1, 2, 0, 3, 4).reshape(-1, image.shape[1], side**2)


def _planes(side: int) -> torch.Tensor:
    """An orthonormal basis of the planes over a block, (side², 3)."""
    line = torch.linspace(-1, 1, side)
    one = torch.ones(side, side)
    planes = torch.stack([one, line[:, None] * one, line * one], -1).flatten(0, 1)
    return torch.linalg.qr(planes).Q


def _without(blocks: torch.Tensor, planes: torch.Tensor) -> torch.Tensor:
    return blocks - (blocks @ planes) @ planes.T
