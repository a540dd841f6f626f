"""Learned models whose architecture spandrel recognises from their weights (extra ``spandrel``)."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import torch

from zeroshot.compare.method import Case
from zeroshot.compare.methods.arrays import described_shape, to_array, to_tensor
from zeroshot.compare.methods.learned import LearnedMethod, first_line, missing
from zeroshot.compare.methods.model_interface import Declared, by_colours
from zeroshot.solve import resolve_device


class SpandrelMethod(LearnedMethod):
    """``x = f(y)`` with f in a file of weights (.pth, .safetensors, .ckpt) that spandrel knows how to build.

    Parameters and errors as for :class:`LearnedMethod`. Number of channels, scale and sizes come from the
    file. A model for inpainting is given the mask of the task.
    """

    _network: SpandrelNetwork | None

    def require_library(self) -> None:
        try:
            importlib.import_module("spandrel")
        except ImportError as error:
            # spandrel imports torchvision for two of its architectures, whichever is used.
            raise missing(error.name or "spandrel", "spandrel") from None

    def load(self) -> SpandrelNetwork:
        """The model, on a GPU where there is one.

        Raises
        ------
        ValueError
            Where spandrel does not recognise the file.
        """
        device = resolve_device("auto")
        loader = importlib.import_module("spandrel").ModelLoader(device=device)
        try:
            descriptor = loader.load_from_file(self.path)
        except MemoryError:
            raise
        except Exception as error:  # its own errors, and those of the unpickler on bytes that are not its own
            raise ValueError(
                f"{self.path.name} is no model that spandrel recognises: {first_line(error)}"
            ) from error
        return SpandrelNetwork(descriptor.to(device).eval(), device, self.path.name)

    def supports(self, case: Case) -> str | None:
        """None where the model's scale is that of the task, and there is a mask for one that needs it."""
        reason = super().supports(case)
        if reason or self._network is None:
            return reason
        if self._network.wants_mask:
            problem = case.problem
            # What is clipped is not measured either, but is no hole.
            masked = problem.measured is not None and problem.clipped is None
            masked = masked and problem.framed_shape == problem.y.shape
            return None if masked else f"{self.path.name} fills holes; it goes with a mask only"
        given = case.problem.y.shape if self.interface.input == "damaged" else case.problem.framed_shape
        if case.problem.framed_shape[-2] != self._network.scale * given[-2]:
            wanted = case.problem.framed_shape[-2] / given[-2]
            return f"{self.path.name} enlarges {self._network.scale} times, {wanted:g} times is wanted"
        return None

    def restore(self, image: np.ndarray, task: Case) -> np.ndarray:
        self.prepare()
        assert self._network is not None
        network, measured = self._network, task.problem.measured
        if not network.wants_mask or measured is None:
            return super().restore(image, task)
        holes = 1 - measured[:1].amax(dim=1, keepdim=True).expand(-1, -1, *image.shape[:2])
        with torch.inference_mode():
            filled = by_colours(lambda x: network.fill(x, holes), to_tensor(image), self.interface.channels)
        return to_array(filled)


class SpandrelNetwork:
    """A model of spandrel as a function of tensors on the CPU. It pads to the sizes that it needs by itself."""

    def __init__(self, descriptor: Any, device: torch.device, subject: str) -> None:
        self.descriptor, self.device, self.subject = descriptor, device, subject
        self.scale = int(descriptor.scale)
        self.wants_mask = str(descriptor.purpose) == "Inpainting"
        self.declared: list[Declared] = [(None, int(descriptor.input_channels), None, None)]

    def __call__(self, image: torch.Tensor, sigma: torch.Tensor | None) -> torch.Tensor:
        return self._run(image)

    def fill(self, image: torch.Tensor, holes: torch.Tensor) -> torch.Tensor:
        """The image with its holes filled, where `holes`, (1, 1, H, W), is 1."""
        return self._run(image, holes)

    def _run(self, *given: torch.Tensor) -> torch.Tensor:
        try:
            return self.descriptor(*(one.to(self.device) for one in given)).float().cpu()
        except RuntimeError as error:
            shape = described_shape(given[0].shape)
            raise RuntimeError(
                f"{self.subject} failed on an input of {shape}: {first_line(error)}"
            ) from error
