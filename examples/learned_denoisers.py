"""Published denoisers as methods of a comparison: how weights without an adapter of their own are brought in.

A method is any class with ``name`` and ``restore(image, case)``; ``supports`` says what it cannot do, and
``prepare`` loads the weights, which belongs to no restoration's time. A comparison names file, class and
arguments::

    zeroshot compare images/ --task denoise --sigma 25 --report out/ \
        --methods 'bm3d,python:examples/learned_denoisers.py:FFDNet[weights=ffdnet_gray.pth]'
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from zeroshot.compare.method import Case
from zeroshot.compare.methods.arrays import (
    from_luma_and_chroma,
    to_array,
    to_luma_and_chroma,
    to_tensor,
)
from zeroshot.compare.methods.enlarging import enlarge


def convolutions(weights: Path) -> nn.Sequential:
    """Convolutions of 3 × 3 pixels with ReLU between, from a state dict ``model.0.weight``, ``model.0.bias``, …"""
    state = torch.load(weights, map_location="cpu", weights_only=True)
    numbers = sorted(int(name.split(".")[1]) for name in state if name.endswith(".weight"))
    layers: list[nn.Module] = []
    for number in numbers:
        kernel = state[f"model.{number}.weight"]
        layer = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1)
        layer.weight.data, layer.bias.data = kernel.float(), state[f"model.{number}.bias"].float()
        layers += [layer, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1]).eval().requires_grad_(False)


class Denoiser:
    """What the denoisers share: a file of convolutions, and a grey model that takes colours one by one."""

    name: str

    def __init__(self, weights: str) -> None:
        self.weights = Path(weights).expanduser()
        if not self.weights.is_file():
            raise FileNotFoundError(f"there is no file {self.weights}")
        self.network: nn.Sequential | None = None

    def prepare(self) -> None:
        self.network = convolutions(self.weights)

    def supports(self, case: Case) -> str | None:
        return None if case.task == "denoise" else f"{self.name} removes noise only"

    def restore(self, image: np.ndarray, task: Case) -> np.ndarray:
        if self.network is None:
            self.prepare()
        y = to_tensor(image)
        is_by_channel = y.shape[1] > 1 and self.colours() == 1
        with torch.inference_mode():
            clean = self.denoise(y.transpose(0, 1) if is_by_channel else y, task)
        return to_array(clean.transpose(0, 1) if is_by_channel else clean)

    def colours(self) -> int:
        """How many channels of an image the network takes."""
        assert self.network is not None
        return int(self.network[-1].out_channels)  # type: ignore[arg-type]

    def denoise(self, y: torch.Tensor, task: Case) -> torch.Tensor:
        raise NotImplementedError


class DnCNN(Denoiser):
    """``x = y − f(y)``: a network that finds the noise of the one level that it was trained for.

    Parameters
    ----------
    weights : str
        dncnn_25.pth (grey) or dncnn_color_25.pth (CDnCNN).
    sigma : float
        The level that it was trained for, in 8-bit grey levels.

    References
    ----------
    K. Zhang, W. Zuo, Y. Chen, D. Meng, L. Zhang: Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for
    Image Denoising, IEEE Transactions on Image Processing 26 (2017).
    """

    name = "DnCNN"

    def __init__(self, weights: str, sigma: float = 25) -> None:
        super().__init__(weights)
        self.sigma = sigma

    def supports(self, case: Case) -> str | None:
        level = case.problem.sigma
        if level is not None and not 0.8 * self.sigma <= 255 * level <= 1.2 * self.sigma:
            return (
                f"{self.name} was trained for noise of {self.sigma:g} grey levels, this has {255 * level:.3g}"
            )
        if case.problem.y.shape[1] == 1 and "color" in self.weights.stem:
            return "these weights are for colour images"
        return super().supports(case)

    def denoise(self, y: torch.Tensor, task: Case) -> torch.Tensor:
        assert self.network is not None
        return y - self.network(y)


class CDnCNN(DnCNN):
    """DnCNN for colour images: noise in all three channels together."""

    name = "CDnCNN"


class DnCNN3(Denoiser):
    """``x = y − f(y)`` on luma, without being told the damage: noise, JPEG artefacts, or a bicubic enlargement.

    Chroma is left as it is in JPEGs and enlargements; of noisy colours each channel is restored by itself.
    """

    name = "DnCNN-3"

    def supports(self, case: Case) -> str | None:
        return (
            None
            if case.task in ("denoise", "jpeg", "sr")
            else f"{self.name} removes noise and JPEG artefacts, and sharpens enlargements"
        )

    def denoise(self, y: torch.Tensor, task: Case) -> torch.Tensor:
        assert self.network is not None
        return y - self.network(y)

    def restore(self, image: np.ndarray, task: Case) -> np.ndarray:
        if task.task == "denoise":
            return super().restore(image, task)
        if self.network is None:
            self.prepare()
        y = to_tensor(image)
        large = enlarge(y, task.options["scale"]) if task.task == "sr" else y
        luma, chroma = to_luma_and_chroma(large.expand(-1, 3, -1, -1))
        with torch.inference_mode():
            sharp = from_luma_and_chroma(self.denoise(luma, task), chroma)
        return to_array(sharp[:, : large.shape[1]])


class FFDNet(Denoiser):
    """``x = f(y, σ)`` at half the resolution, for any noise level: the four phases of y and a plane of σ.

    Parameters
    ----------
    weights : str
        ffdnet_gray.pth or ffdnet_color.pth.

    References
    ----------
    K. Zhang, W. Zuo, L. Zhang: FFDNet: Toward a Fast and Flexible Solution for CNN-Based Image Denoising, IEEE
    Transactions on Image Processing 27 (2018).
    """

    name = "FFDNet"

    def supports(self, case: Case) -> str | None:
        if case.problem.sigma is None:
            return f"{self.name} must be told the noise level"
        if case.problem.y.shape[1] == 1 and "color" in self.weights.stem:
            return "these weights are for colour images"
        return super().supports(case)

    def colours(self) -> int:
        return super().colours() // 4

    def denoise(self, y: torch.Tensor, task: Case) -> torch.Tensor:
        assert self.network is not None
        assert task.problem.sigma is not None
        height, width = y.shape[-2:]
        even = functional.pad(y, (0, width % 2, 0, height % 2), mode="replicate")
        phases = functional.pixel_unshuffle(even, 2)
        level = torch.full_like(phases[:, :1], task.problem.sigma)
        clean = self.network(torch.cat((phases, level), dim=1))
        return functional.pixel_shuffle(clean, 2)[..., :height, :width]
