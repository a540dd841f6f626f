"""The methods of a table, ours and other packages' alike, run and judged on damaged images."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from zeroshot.compare.method import Case, Method
from zeroshot.compare.methods.arrays import to_array, to_tensor
from zeroshot.metrics import luma_16_235, psnr, psnr_y, ssim
from zeroshot.tasks.degrade import Degraded

from .table import Figures, Table


def restored(
    method: Method,
    damaged: torch.Tensor,
    task: str,
    options: Mapping[str, Any],
    seconds: float | None = None,
) -> torch.Tensor:
    """The image (1, C, H, W) in [0, 1] that a method makes of a damaged one (1, C, h, w).

    Raises
    ------
    ValueError
        Where the method cannot do this task, or makes no image of it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        case = Case.of(damaged, task, options, seconds=seconds)
    reason = method.supports(case)
    if reason is not None:
        raise ValueError(f"{method.name} cannot do this: {reason}")
    pixels = method.restore(to_array(damaged), case)
    if not np.isfinite(pixels).all():
        raise ValueError(f"{method.name} made values that are not finite")
    return to_tensor(np.clip(pixels, 0, 1))


def quality(image: torch.Tensor, damaged: Degraded) -> Figures:
    """PSNR and SSIM by the conventions of the tables: for super-resolution of 8-bit luma, without a border."""
    if damaged.task != "sr":
        return {"psnr": psnr(image, damaged.truth), "ssim": ssim(image, damaged.truth)}
    border, image = damaged.options["scale"], (image * 255).round() / 255
    return {
        "psnr": psnr_y(image, damaged.truth, border),
        "ssim": ssim(luma_16_235(image), luma_16_235(damaged.truth), border=border),
    }


def measure_all(
    table: Table,
    methods: Mapping[str, Method],
    images: Mapping[str, Degraded],
    seconds: float | None = None,
    *,
    clock: Callable[[], float] = time.perf_counter,
    judge: Callable[[torch.Tensor, Degraded], Figures] = quality,
) -> dict[str, dict[str, Figures]]:
    """Every method on every image, printed as it is measured.

    Parameters
    ----------
    table : Table
        Where the figures are kept, images in rows and methods in columns.
    methods : mapping
        Text → method.
    images : mapping
        Name → damaged image.
    seconds : float, optional
        The budget of a method for one image.
    clock : callable
        What tells the seconds.
    judge : callable
        (restored image, damaged image) → figures.

    Returns
    -------
    dict
        The method's name → image → figures of `judge` and seconds. A method that cannot do the task is left
        out, and said to be.
    """
    measured: dict[str, dict[str, Figures]] = {}
    for text, method in methods.items():
        try:
            for name, damaged in images.items():

                def work(method: Method = method, damaged: Degraded = damaged) -> Figures:
                    begun = clock()
                    image = restored(method, damaged.measurement, damaged.task, damaged.options, seconds)
                    spent = clock() - begun
                    return judge(image, damaged) | {"seconds": spent}

                found = table.measure(name, text, work)
                measured.setdefault(method.name, {})[name] = found
                print(f"  {name}: {text} {found['psnr']:.2f} dB, {found['seconds']:.1f} s", flush=True)
        except (ValueError, ImportError) as error:
            print(f"  {text} is left out: {error}", flush=True)
    return measured


def column(
    measured: Mapping[str, Mapping[str, Figures]], figure: str = "psnr"
) -> dict[str, dict[str, float]]:
    """Method → image → one of the figures."""
    return {
        method: {image: found[figure] for image, found in images.items()}
        for method, images in measured.items()
    }
