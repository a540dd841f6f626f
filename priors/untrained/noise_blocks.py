"""Noise as the image itself has it: blocks cut where the image is flat, put together to new noise.

No model is fitted. The blocks bring their spectrum, their correlation between channels and their distribution with
them, and the law by which noise depends on intensity, because blocks are chosen by the intensity of their place.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

#: Side of the blocks, and the distance of those that are looked at.
_SIDE, _STRIDE = 32, 8
#: The image's blocks are divided into so many classes of intensity, and of each this share is taken, the flattest.
_CLASSES, _SHARE = 6, 0.15
#: The least number of blocks that are taken of a class.
_LEAST = 4
#: From how many blocks of about the right intensity, to either side, one is drawn.
_CHOICE = 8


@dataclass(frozen=True, eq=False)
class NoiseBlocks:
    """Blocks of noise.

    Attributes
    ----------
    blocks : torch.Tensor
        (K, C, S, S) with S even.
    intensities : torch.Tensor
        (K,), the mean of the image over each block and all channels, ascending.
    """

    blocks: torch.Tensor
    intensities: torch.Tensor

    @classmethod
    def of(cls, noisy: torch.Tensor, clean: torch.Tensor | None = None) -> NoiseBlocks:
        """The blocks of a noisy image in which its content is flattest.

        Parameters
        ----------
        noisy : torch.Tensor
            (1, C, H, W).
        clean : torch.Tensor, optional
            An estimate of its content. Without one the content of a block is taken to be a plane, and what is flat is
            judged by a smoothed image.
        """
        channels = noisy.shape[1]
        side = min(_SIDE, min(noisy.shape[-2:]) // 4 * 2)
        content = F.avg_pool2d(noisy, 5, 1, 2, count_include_pad=False) if clean is None else clean
        planes = _planes(side).to(noisy)
        shown = _blocks(content, side)
        intensity = shown.mean((1, 2))
        structure = _without(shown, planes).square().mean((1, 2))
        # What a block loses with its plane is made up for.
        found = _without(_blocks(noisy if clean is None else noisy - clean, side), planes)
        found *= (side**2 / (side**2 - planes.shape[1])) ** 0.5
        taken = []
        for members in intensity.argsort(stable=True).chunk(_CLASSES):
            count = min(len(members), max(_LEAST, round(_SHARE * len(members))))
            taken.append(members[structure[members].argsort(stable=True)[:count]])
        chosen = torch.cat(taken)
        chosen = chosen[intensity[chosen].argsort(stable=True)]
        return cls(found[chosen].view(-1, channels, side, side), intensity[chosen])

    def sample(self, image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """New noise for `image` (1, C, H, W), of its shape.

        Blocks overlap by a half, under windows whose squares sum to 1, so that the variance is kept.
        """
        channels, side = self.blocks.shape[1], self.blocks.shape[-1]
        half = side // 2
        grey = image.mean(1, keepdim=True)
        wanted = F.avg_pool2d(grey, side, half, half, count_include_pad=False)
        rows, columns = wanted.shape[-2:]
        places = torch.searchsorted(self.intensities, wanted.flatten())
        shifts = torch.randint(-_CHOICE, _CHOICE, (rows * columns,), generator=generator).to(places.device)
        drawn = self.blocks[(places + shifts).clamp(0, len(self.blocks) - 1)]
        window = torch.sin(torch.pi * (torch.arange(side, device=image.device) + 0.5) / side)
        weighted = drawn * (window[:, None] * window)
        size = (half * (rows + 1), half * (columns + 1))
        together = F.fold(weighted.reshape(1, rows * columns, -1).mT, size, side, stride=half)
        height, width = image.shape[-2:]
        return together.view(1, channels, *size)[..., half : half + height, half : half + width]


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
