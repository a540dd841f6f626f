"""Learned models in ONNX files, run by ONNX Runtime (extra ``onnx``)."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import torch

from zeroshot.compare.methods.learned import LearnedMethod, first_line, missing
from zeroshot.compare.methods.model_interface import Declared

_TYPES: dict[str, type] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}


class OnnxMethod(LearnedMethod):
    """``x = f(y)`` with f in an ONNX file; parameters and errors as for :class:`LearnedMethod`."""

    def require_library(self) -> None:
        try:
            importlib.import_module("onnxruntime")
        except ImportError:
            raise missing("onnxruntime", "onnx") from None

    def load(self) -> OnnxNetwork:
        """The model, ready to run; on a GPU where ONNX Runtime has one.

        Raises
        ------
        ValueError
            Where the file is no model that ONNX Runtime can run, or its inputs are not one image and at most
            a noise level.
        """
        runtime = importlib.import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        providers = [one for one in wanted if one in runtime.get_available_providers()]
        try:
            loaded = runtime.InferenceSession(str(self.path), options, providers=providers)
        except Exception as error:  # its exceptions have no common base, and differ between versions
            raise ValueError(
                f"{self.path.name} is no model that ONNX Runtime can run: {first_line(error)}"
            ) from error
        return OnnxNetwork(loaded, self.path.name)


class OnnxNetwork:
    """A model in ONNX Runtime as a function of tensors."""

    def __init__(self, loaded: Any, subject: str) -> None:
        self.model, self.subject = loaded, subject
        self.inputs = loaded.get_inputs()
        if not 1 <= len(self.inputs) <= 2:
            raise ValueError(
                f"{subject} has {len(self.inputs)} inputs; one is needed, or image and noise level"
            )
        for one in self.inputs:
            if one.type not in _TYPES:
                raise ValueError(f"{subject} takes {one.type}; it must be one of {', '.join(_TYPES)}")
        self.declared: list[Declared] = [
            tuple(size if isinstance(size, int) and size > 0 else None for size in one.shape)
            for one in self.inputs
        ]

    def __call__(self, image: torch.Tensor, sigma: torch.Tensor | None) -> torch.Tensor:
        given = [image] if sigma is None else [image, sigma]
        feed = {one.name: _as_type(value, one.type) for one, value in zip(self.inputs, given, strict=True)}
        try:
            answer = self.model.run([self.model.get_outputs()[0].name], feed)[0]
        except Exception as error:  # see load
            shape = " × ".join(map(str, image.shape))
            raise RuntimeError(
                f"{self.subject} failed on an input of {shape}: {first_line(error)}"
            ) from error
        return torch.from_numpy(np.asarray(answer, dtype=np.float32))


def _as_type(value: torch.Tensor, name: str) -> np.ndarray:
    array = value.numpy()
    if name == "tensor(uint8)":
        array = np.clip(np.rint(array), 0, 255)
    return array.astype(_TYPES[name])
