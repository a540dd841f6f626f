"""Learned models saved by ``torch.jit.save``."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from zeroshot.compare.methods.learned import LearnedMethod, first_line
from zeroshot.compare.methods.model_interface import Declared
from zeroshot.solve import resolve_device


class TorchScriptMethod(LearnedMethod):
    """``x = f(y)`` with f in a TorchScript file; parameters and errors as for :class:`LearnedMethod`.

    Such a file declares no shapes; the number of channels is taken from its first convolution.
    """

    def require_library(self) -> None:
        """Nothing to check: torch is always there."""

    def load(self) -> TorchScriptNetwork:
        """The module, on a GPU where there is one.

        Raises
        ------
        ValueError
            Where the file is no TorchScript.
        """
        device = resolve_device("auto")
        try:
            with warnings.catch_warnings():
                # torch would rather have torch.export, whose files are fixed to one size of image.
                warnings.simplefilter("ignore", DeprecationWarning)
                module = torch.jit.load(str(self.path), map_location=device)
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"{self.path.name} is no TorchScript file: {first_line(error)}") from error
        return TorchScriptNetwork(module.eval(), device, self.path.name)


class TorchScriptNetwork:
    """A scripted module as a function of tensors on the CPU."""

    def __init__(self, module: Any, device: torch.device, subject: str) -> None:
        self.module, self.device, self.subject = module, device, subject
        self.declared: list[Declared] = [_first_kernel(module)]
        inputs = len(module.forward.schema.arguments) - 1
        if not 1 <= inputs <= 2:
            raise ValueError(f"{subject} has {inputs} inputs; one is needed, or image and noise level")
        self.declared += [None] * (inputs - 1)
        self.dtype = next(
            (one.dtype for one in module.parameters() if one.is_floating_point()), torch.float32
        )

    def __call__(self, image: torch.Tensor, sigma: torch.Tensor | None) -> torch.Tensor:
        given = [image] if sigma is None else [image, sigma]
        try:
            answer = self.module(*(one.to(self.device, self.dtype) for one in given))
        except RuntimeError as error:
            shape = " × ".join(map(str, image.shape))
            said = str(error).strip().splitlines()[-1]
            raise RuntimeError(f"{self.subject} failed on an input of {shape}: {said}") from error
        return answer.float().cpu()


def _first_kernel(module: Any) -> Declared:
    """What the kernels of the first convolution say of the images that the module takes."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            # Other numbers come from modules that rearrange pixels first.
            return (None, parameter.shape[1], None, None) if parameter.shape[1] in (1, 2, 3, 4) else None
    return None
