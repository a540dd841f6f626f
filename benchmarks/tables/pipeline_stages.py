"""The stages of a camera's pipeline, each done by one prior: denoising, demosaicking, super-resolution.

A raw mosaic is worked on as its four phase planes, the pixels of one colour filter each. Denoising moves them
to an orthonormal opponent space first, which keeps white noise white and gathers what the planes share.
Enlarging a plane takes the point spread of the operator where that plane's pixels lie: a quarter of a pixel
of the enlarged plane off the centre of a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch
from torch.nn import functional

from benchmarks.methods import restored
from zeroshot.compare.method import Method
from zeroshot.operators import kernels

STAGES = ("denoise", "demosaic", "sr")
ORDERS = tuple(permutations(STAGES))
SHORT = {"denoise": "DN", "demosaic": "DM", "sr": "SR"}
PATTERN, SCALE = "RGGB", 2
#: Of the planes R, G in the red rows, G in the blue rows, B; orthonormal.
_OPPONENT = torch.tensor(
    [
        [0.5, 0.5, 0.5, 0.5],
        [0.5, -0.5, -0.5, 0.5],
        [0.5**0.5, 0, 0, -(0.5**0.5)],
        [0, 0.5**0.5, -(0.5**0.5), 0],
    ]
)


@dataclass(frozen=True)
class Pipeline:
    """Which method does which stage, and how noisy the stages after the first take the image to be.

    Attributes
    ----------
    denoise, demosaic, sr : Method
    spread : float
        Denoising that is not the first stage takes the noise for this many times the measurement's: stages
        before it amplify and blur noise.
    """

    denoise: Method
    demosaic: Method
    sr: Method
    spread: float = 1.0

    def run(self, raw: torch.Tensor, sigma: float, order: tuple[str, ...]) -> torch.Tensor:
        """The image that the stages make of a raw mosaic (1, 1, h, w) in this order."""
        image = raw
        for place, stage in enumerate(order):
            if stage == "denoise":
                image = denoised(image, sigma * (self.spread if place else 1.0), self.denoise)
            elif stage == "demosaic":
                image = restored(self.demosaic, image, "demosaic", {"pattern": PATTERN})
            else:
                image = enlarged(image, self.sr)
        return image.clamp(0, 1)


def title(order: tuple[str, ...]) -> str:
    """The order as tables call it."""
    return " → ".join(SHORT[stage] for stage in order)


def denoised(image: torch.Tensor, sigma: float, method: Method) -> torch.Tensor:
    """A raw mosaic (1, 1, h, w) or a colour image without its noise."""
    if image.shape[1] == 3:
        return restored(method, image, "denoise", {"sigma": sigma})
    planes = functional.pixel_unshuffle(image, 2)
    mixed = torch.einsum("ij,njhw->nihw", _OPPONENT, planes)
    # Half of it, moved to mid-grey where it is a difference, lies in [0, 1] as methods expect.
    offset = torch.tensor([0.0, 0.5, 0.5, 0.5]).view(1, 4, 1, 1)
    halves = mixed / 2 + offset
    clean = [restored(method, halves[:, i : i + 1], "denoise", {"sigma": sigma / 2}) for i in range(4)]
    mixed = (torch.cat(clean, dim=1) - offset) * 2
    return functional.pixel_shuffle(torch.einsum("ij,nihw->njhw", _OPPONENT, mixed), 2)


def enlarged(image: torch.Tensor, method: Method) -> torch.Tensor:
    """A raw mosaic or a colour image, twice as large."""
    if image.shape[1] == 3:
        return restored(method, image, "sr", {"scale": SCALE})
    planes = functional.pixel_unshuffle(image, 2)
    grown = []
    for index in range(4):
        kernel = plane_kernel(index // 2, index % 2)
        options = {"scale": SCALE, "kernel": kernel}
        grown.append(restored(method, planes[:, index : index + 1], "sr", options))
    return functional.pixel_shuffle(torch.cat(grown, dim=1), 2)


def plane_kernel(row: int, column: int) -> np.ndarray:
    """The point spread that shrinks the phase plane of a large mosaic to that of the small one, (6, 6).

    In full-resolution pixels the bicubic kernel of scale 2 sits at 4m + 2i + ½ for pixel m of the plane with
    row i, and the pixels of the large plane at 2M + i: relative to the centre of the block M = 2m, 2m + 1,
    in pixels of the large plane, it sits at (i − ½) / 2.
    """
    position = np.arange(6) - 2.5
    rows, columns = (kernels.keys_cubic(position - (phase - 0.5) / 2) for phase in (row, column))
    # An array is convolved with, and convolution turns it.
    weights = np.outer(rows, columns)[::-1, ::-1]
    return np.ascontiguousarray(weights / weights.sum())
