"""Enlarging and shrinking with a filter: zeros inserted, filtered, samples left out."""

from __future__ import annotations

import torch
from torch.nn import functional


def filtered_resample(
    x: torch.Tensor,
    kernel: torch.Tensor,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    gain: float = 1.0,
) -> torch.Tensor:
    """Insert `up` − 1 zeros between samples, pad, convolve with `kernel`, keep every `down`-th sample.

    Parameters
    ----------
    x : torch.Tensor
        (N, C, H, W).
    kernel : torch.Tensor
        One-dimensional, applied along both axes, or two-dimensional.
    up, down : int
        Factors.
    padding : tuple of int
        Zeros to the left, right, top, bottom after the insertion; negative numbers crop.
    gain : float
        Factor of the whole.
    """
    count, channels, height, width = x.shape
    if up > 1:
        x = x.reshape(count, channels, height, 1, width, 1)
        x = functional.pad(x, (0, up - 1, 0, 0, 0, up - 1))
        x = x.reshape(count, channels, height * up, width * up)
    x = functional.pad(x, padding)
    kernel = kernel.to(x.dtype).flip(tuple(range(kernel.ndim)))
    if kernel.ndim == 1:
        # Samples that will be left out are not computed.
        taps = (kernel * gain**0.5).expand(channels, 1, -1)
        x = functional.conv2d(x, taps[:, :, None, :], groups=channels, stride=(1, down))
        return functional.conv2d(x, taps[:, :, :, None], groups=channels, stride=(down, 1))
    taps = (kernel * gain).expand(channels, 1, *kernel.shape)
    return functional.conv2d(x, taps, groups=channels, stride=down)
