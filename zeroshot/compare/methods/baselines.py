"""The baselines: interpolation, the operator's first estimate, the damaged image itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from zeroshot.compare.method import Case
from zeroshot.compare.methods.arrays import to_array, to_tensor
from zeroshot.compare.methods.enlarging import INTERPOLATIONS, enlarge


@dataclass(frozen=True)
class Interpolation:
    """``x[i] = Σⱼ k((i + ½)/s − ½ − j) y[j]`` along rows and columns: enlarging by a fixed kernel k.

    Parameters
    ----------
    kind : str
        "nearest", "bilinear", "bicubic" (Keys, a = −1/2: MATLAB's imresize, as the published tables) or
        "lanczos" (three lobes).
    label : str, optional
        How tables call it.
    """

    kind: str
    label: str | None = None

    @property
    def name(self) -> str:
        return self.label or self.kind

    def supports(self, case: Case) -> str | None:
        """None for super-resolution."""
        return None if case.task == "sr" else f"{self.kind} enlarges; it goes with the task 'sr' only"

    def restore(self, image: np.ndarray, task: Case) -> np.ndarray:
        return to_array(enlarge(to_tensor(image), task.options["scale"], self.kind).clamp(0, 1))


@dataclass(frozen=True)
class Untouched:
    """``x = y``: the damaged image itself, brought to the shape of the wanted one.

    A small image is enlarged by repeating pixels, grey is repeated in all channels, and what was measured
    beside the grey image (the hints of a colorization) is left out.
    """

    label: str | None = None

    @property
    def name(self) -> str:
        return self.label or "none"

    def supports(self, case: Case) -> str | None:
        """None where the damaged image can be brought to the shape of the wanted one."""
        measured, wanted = case.problem.y.shape, case.problem.framed_shape
        if any(large % small for small, large in zip(measured[-2:], wanted[-2:], strict=True)):
            return (
                f"the damaged image of {measured[-2]} × {measured[-1]} pixels cannot be shown beside one of "
                f"{wanted[-2]} × {wanted[-1]}"
            )
        return None

    def restore(self, image: np.ndarray, task: Case) -> np.ndarray:
        _, channels, height, width = task.problem.framed_shape
        shown = to_tensor(image)
        if shown.shape[1] != channels:
            shown = (
                shown.mean(dim=1, keepdim=True)
                if channels == 1
                else shown[:, :1].expand(-1, channels, -1, -1)
            )
        repeats = height // shown.shape[-2], width // shown.shape[-1]
        return to_array(shown.repeat_interleave(repeats[0], -2).repeat_interleave(repeats[1], -1).clamp(0, 1))


@dataclass(frozen=True)
class FirstEstimate:
    """``x₀``, the cheap estimate from which every prior starts: the operator's own rough inverse.

    Bicubic enlargement for super-resolution, smoothly filled holes for inpainting, bilinear demosaicking.
    """

    label: str | None = None

    @property
    def name(self) -> str:
        return self.label or "first"

    def supports(self, case: Case) -> str | None:
        """None: every operator has a first estimate."""
        return None

    def restore(self, image: np.ndarray, task: Case) -> np.ndarray:
        with torch.no_grad():
            return to_array(task.problem.framed(task.problem.initial()))


BASELINES: dict[str, Callable[[str | None], Interpolation | Untouched | FirstEstimate]] = {
    **{kind: (lambda label, kind=kind: Interpolation(kind, label)) for kind in INTERPOLATIONS},  # type: ignore[misc]
    "none": Untouched,
    "first": FirstEstimate,
}
