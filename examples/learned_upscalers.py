"""Published super-resolution networks as methods of a comparison.

As in ``learned_denoisers.py``: a class with ``name``, ``supports``, ``prepare`` and ``restore``::

    zeroshot compare images/ --task sr --scale 4 --report out/ \
        --methods 'bicubic,dip,python:examples/learned_upscalers.py:VDSR[weights=vdsr.pth]'
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


class Upscaler:
    """What the networks share: a file of weights, read when it is needed."""

    name: str

    def __init__(self, weights: str) -> None:
        self.weights = Path(weights).expanduser()
        if not self.weights.is_file():
            raise FileNotFoundError(f"there is no file {self.weights}")
        self.network: nn.Module | None = None

    def prepare(self) -> None:
        state = torch.load(self.weights, map_location="cpu", weights_only=True)
        state = {name: tensor.float() for name, tensor in state.items()}
        try:
            self.network = self.build(state).eval().requires_grad_(False)
        except (KeyError, ValueError, IndexError, RuntimeError) as error:
            raise ValueError(f"{self.weights} holds no weights of {self.name}") from error

    def build(self, state: dict[str, torch.Tensor]) -> nn.Module:
        raise NotImplementedError

    def restore(self, image: np.ndarray, task: Case) -> np.ndarray:
        if self.network is None:
            self.prepare()
        with torch.inference_mode():
            return to_array(self.enlarge(to_tensor(image), task.options["scale"]))

    def enlarge(self, small: torch.Tensor, scale: int) -> torch.Tensor:
        raise NotImplementedError


class VDSR(Upscaler):
    """``x = b + f(b)`` on luma, b the bicubic enlargement: one network for ×2, ×3 and ×4.

    References
    ----------
    J. Kim, J. K. Lee, K. M. Lee: Accurate Image Super-Resolution Using Very Deep Convolutional Networks, CVPR
    2016.
    """

    name = "VDSR"

    def supports(self, case: Case) -> str | None:
        if case.task != "sr" or case.options["scale"] not in (2, 3, 4):
            return "VDSR was trained to enlarge 2, 3 and 4 times"
        return None

    def build(self, state: dict[str, torch.Tensor]) -> nn.Module:
        names = ["input", *(f"residual_layer.{index}.conv" for index in range(18)), "output"]
        layers: list[nn.Module] = []
        for name in names:
            kernel = state[f"{name}.weight"]
            layer = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1, bias=False)
            layer.weight.data = kernel
            layers += [layer, nn.ReLU(inplace=True)]
        return nn.Sequential(*layers[:-1])

    def enlarge(self, small: torch.Tensor, scale: int) -> torch.Tensor:
        assert self.network is not None
        large = enlarge(small, scale)
        luma, chroma = to_luma_and_chroma(large.expand(-1, 3, -1, -1))
        sharp = from_luma_and_chroma(luma + self.network(luma), chroma)
        return sharp[:, : small.shape[1]]


class RealESRGAN(Upscaler):
    """``x = n + shuffle(f(y))``, n the enlargement by repeating pixels: the compact network of Real-ESRGAN.

    Its number of layers is read from the weights: those of Real-ESRGAN's general model and of the models that
    others trained on the same network. Their training aims at how an image looks, not at its PSNR.

    References
    ----------
    X. Wang, L. Xie, C. Dong, Y. Shan: Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure
    Synthetic Data, ICCV Workshops 2021.
    """

    name = "Real-ESRGAN"

    def supports(self, case: Case) -> str | None:
        return None if case.task == "sr" and case.options["scale"] == 4 else f"{self.name} enlarges 4 times"

    def build(self, state: dict[str, torch.Tensor]) -> nn.Module:
        last = max(int(name.split(".")[1]) for name in state)
        layers: list[nn.Module] = []
        for index in range(last + 1):
            weight = state[f"body.{index}.weight"]
            if weight.ndim == 4:
                layers.append(nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1))
            else:
                layers.append(nn.PReLU(len(weight)))
        network = nn.Sequential(*layers)
        network.load_state_dict({name.removeprefix("body."): tensor for name, tensor in state.items()})
        return network

    def enlarge(self, small: torch.Tensor, scale: int) -> torch.Tensor:
        assert self.network is not None
        colours = small.expand(-1, 3, -1, -1)
        details = functional.pixel_shuffle(self.network(colours), scale)
        large = details + functional.interpolate(colours, scale_factor=scale, mode="nearest")
        return large if small.shape[1] == 3 else large.mean(dim=1, keepdim=True)


class LSDIRCompact(RealESRGAN):
    """The compact network trained on the LSDIR photographs, with bicubic damage only."""

    name = "LSDIR compact"
