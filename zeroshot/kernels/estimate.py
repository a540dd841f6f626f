"""A kernel that was found from an image: what it is, how sure that is, and how it is written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from zeroshot.files import write_atomically
from zeroshot.images import Picture, load, save
from zeroshot.operators.kernels import as_kernel, widened
from zeroshot.spelling import CHOOSE_ANOTHER, OutputExistsError

#: What a kernel may be, in words; "none" is no blur at all, "free" none of the shapes.
KINDS = {
    "none": "no blur",
    "gaussian": "the blur of a lens",
    "defocus": "a blur out of focus",
    "motion": "a motion along a line",
    "free": "a kernel of its own shape",
}
_SUFFIXES = (".npy", ".png")
#: What of the parameters and of the evidence is a width.
_WIDTHS = ("gaussian", "disk", "motion", "along", "across")


@dataclass(frozen=True, eq=False)
class KernelEstimate:
    """A kernel found from an image.

    Attributes
    ----------
    kernel : numpy.ndarray
        (height, width), float64, without negative weights unless its kind allows them, of sum 1. As
        :class:`zeroshot.operators.Blur` and :class:`zeroshot.operators.Downsample` take it: a point becomes the
        kernel.
    kind : str
        "none", "gaussian", "defocus", "motion" or "free", see :data:`KINDS`.
    parameters : mapping
        Of its shape, named as they are written: "gaussian", "disk", "motion" and "angle"; none for a free kernel.
    confidence : float
        How sure it is, from 0 to 1.
    evidence : mapping
        The numbers that it rests on, by name.
    """

    kernel: np.ndarray
    kind: str = "free"
    parameters: Mapping[str, float] = field(default_factory=dict)
    confidence: float = 1.0
    evidence: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of kernel {self.kind!r}; known are {', '.join(KINDS)}")
        object.__setattr__(self, "kernel", as_kernel(self.kernel))

    @property
    def text(self) -> str:
        """The kernel as ``--kernel`` takes it, such as "motion=15, angle=30"; "" where it has no such form."""
        return ", ".join(f"{name}={value:.4g}" for name, value in self.parameters.items())

    @property
    def sentence(self) -> str:
        """What was found, for people."""
        if self.kind == "none":
            return "no blur was found"
        height, width = self.kernel.shape
        size = self.text or f"{height} × {width} pixels"
        return f"{KINDS[self.kind]} ({size}), confidence {self.confidence:.2f}"

    def widened(self, factor: float) -> KernelEstimate:
        """The same kernel `factor` times as wide; "none" stays what it is."""
        if factor == 1 or self.kind == "none":
            return self
        parameters, evidence = (
            {name: value * factor if name in _WIDTHS else value for name, value in numbers.items()}
            for numbers in (self.parameters, self.evidence)
        )
        return replace(
            self,
            kernel=widened(self.kernel, factor),
            parameters=parameters,
            evidence=evidence | {"widened": factor},
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it but the weights, JSON-able."""
        return {
            "kind": self.kind,
            "parameters": dict(self.parameters),
            "size": list(self.kernel.shape),
            "confidence": self.confidence,
            "evidence": dict(self.evidence),
            "sentence": self.sentence,
        }

    def save(self, path: str | os.PathLike, *, overwrite: bool = False) -> None:
        """Write the weights, for ``--kernel``: in full as .npy, or as a 16-bit grey picture, the largest white.

        Raises
        ------
        ValueError
            For any other suffix.
        OSError
            Where the file exists or cannot be written.
        """
        path = Path(path)
        check_kernel_output(path)
        if path.suffix.lower() == ".npy":
            if path.exists() and not overwrite:
                raise OutputExistsError(f"{path} exists", CHOOSE_ANOTHER)
            write_atomically(path, lambda file: np.save(file, self.kernel), overwrite=overwrite)
            return
        save(self.picture(), path, overwrite=overwrite)

    def picture(self) -> Picture:
        """The weights as a grey picture of 16 bits, the largest white and what is below zero black."""
        levels = np.clip(self.kernel / self.kernel.max(), 0, 1)
        return load(np.round(levels * 65535).astype(np.uint16))


def check_kernel_output(path: Path) -> None:
    """Refuse a name that says nothing of how a kernel is written.

    Raises
    ------
    ValueError
        In one line.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise ValueError(f"a kernel is written to a .npy or .png file, got {path}")
