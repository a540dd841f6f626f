"""What is measured on every result: the metrics asked for, and its consistency with the measurement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from zeroshot import metrics
from zeroshot.compare.attempt import reason_of
from zeroshot.compare.inputs import Material

#: ‖A x − y‖ as the root mean square over the measured values, in 8-bit grey levels.
CONSISTENCY = "consistency"


def default_metrics(task: str, options: dict[str, Any], *, truth: str) -> tuple[str, ...]:
    """The metrics if none are named: for super-resolution, those of its published tables come first.

    Parameters
    ----------
    task, options
        The task and its options.
    truth : {"known", "unknown"}
        Whether there is something to compare with.
    """
    if truth == "unknown":
        return (CONSISTENCY, "niqe")
    first = (f"psnr_y_border{options['scale']}",) if task == "sr" and "scale" in options else ()
    return (*first, "psnr", "ssim", CONSISTENCY)


@dataclass(frozen=True)
class Measures:
    """The metrics of a comparison, checked.

    Attributes
    ----------
    names : tuple of str
        In the order in which they are shown.
    """

    names: tuple[str, ...]

    @classmethod
    def checked(cls, names: Sequence[str], *, truth: str) -> Measures:
        """The metrics of these names.

        Raises
        ------
        ValueError, ImportError
            In one line, where one is unknown, needs an extra that is missing, or needs a truth.
        """
        names = tuple(dict.fromkeys(names))
        if not names:
            raise ValueError("a comparison needs at least one metric, such as 'psnr'")
        for name in names:
            if name == CONSISTENCY:
                continue
            try:
                found = metrics.metric(name)
            except ValueError as error:
                raise ValueError(f"{error}; here also {CONSISTENCY}") from None
            if found.needs_reference and truth == "unknown":
                raise ValueError(f"metric {name!r} compares with a truth, and none is given")
        return cls(names)

    def of(self, image: torch.Tensor, material: Material) -> tuple[dict[str, float], dict[str, str]]:
        """The values of an image (1, C, H, W) in [0, 1], and the reasons of those that could not be computed."""
        values: dict[str, float] = {}
        reasons: dict[str, str] = {}
        for name in self.names:
            try:
                value = self._value(name, image, material)
            # A metric that fails on one image costs its field, not the comparison.
            except Exception as error:
                reasons[name] = reason_of(error).removeprefix("ValueError: ")
                continue
            if math.isnan(value):
                reasons[name] = "not a number"
            else:
                values[name] = value
        return values, reasons

    def _value(self, name: str, image: torch.Tensor, material: Material) -> float:
        if name == CONSISTENCY:
            return metrics.consistency(image, material.problem())
        wanted = metrics.metric(name)
        return float(wanted.compute(image, material.truth if wanted.needs_reference else None))
