"""Enlargement, normalisation and 3 × 3 convolution in one: the same numbers with fewer multiplications.

With N enlargement by two by repetition and B the blur (1, 2, 1)/4 along rows and columns, bilinear enlargement
is B N. Convolutions commute with B, and on N x each of the four pixels that come from one needs a 2 × 2 kernel
only: 16 instead of 36 multiplications a coarse pixel, and the enlarged image is never made. The normalisation
goes into the kernel; its statistics are computed at the coarse resolution, because ‖B N x‖² is a quadratic
form of x.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

#: Which of the 2 × 2 coarse pixels (second index) each tap of the kernel (third) meets, where the output pixel
#: is the first or the second (first index) of the pair at 2i − 1 and 2i.
_MEETS = (((1.0, 1.0, 0.0), (0.0, 0.0, 1.0)), ((1.0, 0.0, 0.0), (0.0, 1.0, 1.0)))
#: B, and (B N)ᵀ B N, along one axis. Both are exact in bfloat16, their outer products too.
_BLUR = (0.25, 0.5, 0.25)
_SQUARED = (0.375, 1.25, 0.375)
_CHANNELS_LAST = torch.channels_last


class _Concatenate(torch.autograd.Function):
    """Concatenation of channels whose derivatives are dense in memory, not windows of a wider image.

    On windows the derivatives of enlargement and activation are several times slower on a CPU.
    """

    @staticmethod
    def forward(ctx: Any, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        ctx.split = first.shape[1]
        return torch.cat([first, second], dim=1)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        (g,) = gradients
        first, second = g[:, : ctx.split], g[:, ctx.split :]
        return _dense(first), _dense(second)


def _dense(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous(memory_format=_CHANNELS_LAST)


def concatenate(first: torch.Tensor, second: torch.Tensor, abreast: int = 1) -> torch.Tensor:
    """torch.cat along the channels, of each of the networks that lie `abreast`.

    Channels-last images get derivatives that are dense in memory.
    """
    if abreast > 1:
        parts = [x.permute(0, 2, 3, 1).unflatten(-1, (abreast, -1)) for x in (first, second)]
        return torch.cat(parts, dim=-1).flatten(-2).permute(0, 3, 1, 2)
    if first.device.type == "cpu" and second.is_contiguous(memory_format=_CHANNELS_LAST):
        result: torch.Tensor = _Concatenate.apply(first, second)
        return result
    return torch.cat([first, second], dim=1)


def _depthwise(x: torch.Tensor, taps: tuple[float, float, float], padding: int = 0) -> torch.Tensor:
    """The valid convolution of each channel with the outer product of symmetric `taps`."""
    line = torch.tensor(taps, dtype=x.dtype)
    kernel = (line[:, None] * line).expand(x.shape[1], 1, 3, 3).contiguous()
    return F.conv2d(x, kernel, padding=padding, groups=x.shape[1])


class _Blur(torch.autograd.Function):
    """B without the border; its transpose is B on the image with a border of zeros."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return _depthwise(x, _BLUR)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        return _depthwise(gradients[0], _BLUR, padding=2)


class _Statistics(torch.autograd.Function):
    """Mean and variance of each channel of the bilinear enlargement by two of x, without making it.

    The mean is that of x: every pixel of x has the weight 4 in total. The squares sum to x'ᵀ (B N)ᵀ B N x' with
    x' = x − mean.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        count = x.shape[0] * x.shape[-2] * x.shape[-1]
        accurate = torch.float32 if x.dtype == torch.bfloat16 else x.dtype
        mean = x.sum((0, 2, 3), dtype=accurate) / count
        centred = x - mean.to(x.dtype).view(-1, 1, 1)
        weighted = _depthwise(F.pad(centred, (1, 1, 1, 1), mode="replicate"), _SQUARED)
        variance = (weighted * centred).sum((0, 2, 3), dtype=accurate) / (4 * count)
        ctx.save_for_backward(weighted)
        ctx.count = count
        return mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        (weighted,) = ctx.saved_tensors
        of_mean, of_variance = ((g / ctx.count).to(weighted.dtype).view(-1, 1, 1) for g in gradients)
        return torch.addcmul(of_mean, weighted, of_variance / 2)


class _Surroundings(torch.autograd.Function):
    """x with its border repeated once, the two outermost rows of either side, and the columns.

    One function, because the derivative of each single slice would be a whole image of zeros.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        # Beside the only row of an image lies its repetition.
        rows = torch.stack([padded[:, :, i, 1:-1] for i in (1, 2, -3, -2)])
        columns = torch.stack([padded[:, :, 1:-1, i] for i in (1, 2, -3, -2)])
        return padded, rows, columns

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        of_padded, of_rows, of_columns = gradients
        g = of_padded.clone(memory_format=_CHANNELS_LAST)
        for line, i in enumerate((1, 2, -3, -2)):
            g[:, :, i, 1:-1] += of_rows[line]
            g[:, :, 1:-1, i] += of_columns[line]
        g[:, :, 1] += g[:, :, 0]
        g[:, :, -2] += g[:, :, -1]
        g[:, :, :, 1] += g[:, :, :, 0]
        g[:, :, :, -2] += g[:, :, :, -1]
        return g[:, :, 1:-1, 1:-1].contiguous(memory_format=_CHANNELS_LAST)


class _AddToBorder(torch.autograd.Function):
    """Adds lines to the first and last row and column of an image, in place."""

    @staticmethod
    def forward(ctx: Any, image: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        ctx.mark_dirty(image)
        for side in (0, 1):
            image[:, :, -side].add_(rows[side])
            image[:, :, :, -side].add_(columns[side])
        return image

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        (g,) = gradients
        rows = torch.stack([g[:, :, 0], g[:, :, -1]])
        return g, rows, torch.stack([g[:, :, :, 0], g[:, :, :, -1]])


def _enlarged_line(line: torch.Tensor) -> torch.Tensor:
    """Bilinear enlargement by two along the last axis."""
    before = torch.cat([line[..., :1], line[..., :-1]], dim=-1)
    after = torch.cat([line[..., 1:], line[..., -1:]], dim=-1)
    pairs = torch.stack([torch.lerp(before, line, 0.75), torch.lerp(after, line, 0.75)], dim=-1)
    return pairs.flatten(-2)


def _reflected_border(
    rows: torch.Tensor, columns: torch.Tensor, kernel: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What reflection instead of replication of the enlarged image's border adds to the convolution.

    Parameters
    ----------
    rows, columns : torch.Tensor
        (4, B, C, W) and (4, B, C, H): the first, second, last but one and last of the coarse image.
    kernel : torch.Tensor
        (outputs, C, 3, 3).

    Returns
    -------
    rows : torch.Tensor
        (2, B, outputs, 2W): for the first and the last row.
    columns : torch.Tensor
        (2, B, outputs, 2H): for the first and the last column.
    """
    first, second, last_but_one, last = rows.unbind()
    # The outermost rows of the enlarged image are those of x; the ones beside them lie a quarter inwards.
    edge = _enlarged_line(torch.stack([first, last]))
    inner = _enlarged_line(torch.stack([first.lerp(second, 0.25), last.lerp(last_but_one, 0.25)]))
    reflected = torch.cat([inner[..., 1:2], inner, inner[..., -2:-1]], -1)
    ring = reflected - torch.cat([edge[..., :1], edge, edge[..., -1:]], -1)
    first, second, last_but_one, last = columns.unbind()
    flanks = _enlarged_line(torch.stack([second - first, last_but_one - last]) / 4)
    above, below = F.conv1d(ring[0], kernel[:, :, 0]), F.conv1d(ring[1], kernel[:, :, 2])
    # The corners of the border have been counted with the rows.
    left = F.conv1d(flanks[0], kernel[:, :, :, 0], padding=1)
    right = F.conv1d(flanks[1], kernel[:, :, :, 2], padding=1)
    return torch.stack([above, below]), torch.stack([left, right])


def convolve_enlarged(x: torch.Tensor, kernel: torch.Tensor, padding: str) -> torch.Tensor:
    """K ∗ (bilinear enlargement by two of x), of twice the height and width.

    Parameters
    ----------
    x : torch.Tensor
        (B, C, H, W), channels last.
    kernel : torch.Tensor
        (outputs, C, 3, 3).
    padding : {"reflect", "replicate"}
        How the enlarged image continues outside.
    """
    outputs, channels = kernel.shape[:2]
    meets = torch.tensor(_MEETS, dtype=kernel.dtype)
    vertical = torch.tensordot(kernel, meets, dims=([2], [2]))
    phases = torch.tensordot(vertical, meets, dims=([2], [2]))
    phases = phases.permute(2, 4, 0, 1, 3, 5).reshape(4 * outputs, channels, 2, 2)
    phases = phases.to(x.dtype).contiguous(memory_format=_CHANNELS_LAST)
    padded, rows, columns = _Surroundings.apply(x)
    coarse = F.conv2d(padded, phases)
    batch, _, height, width = coarse.shape
    split = coarse.permute(0, 2, 3, 1).view(batch, height, width, 2, 2, outputs)
    woven = split.transpose(2, 3).reshape(batch, 2 * height, 2 * width, outputs).permute(0, 3, 1, 2)
    result: torch.Tensor = _Blur.apply(woven)
    if padding == "reflect":
        result = _AddToBorder.apply(result, *_reflected_border(rows, columns, kernel.to(x.dtype)))
    return result


def convolve_normalised_enlarged(
    x: torch.Tensor,
    kernel: torch.Tensor,
    scale: torch.Tensor,
    shift: torch.Tensor,
    padding: str,
    eps: float = 1e-5,
) -> tuple[torch.Tensor, torch.Tensor]:
    """K ∗ (scale · normalised(bilinear enlargement by two of x) + shift).

    Parameters
    ----------
    x : torch.Tensor
        (B, C, H, W), channels last.
    kernel : torch.Tensor
        (outputs, C, 3, 3).
    scale, shift : torch.Tensor
        (C,), of the normalisation over all pixels of a channel.
    padding : {"reflect", "replicate"}
    eps : float
        Added to the variance.

    Returns
    -------
    convolved : torch.Tensor
        (B, outputs, 2H, 2W), without its constant part.
    constant : torch.Tensor
        (outputs,): what is missing. A border that repeats pixels of the image makes it constant.
    """
    mean, variance = _Statistics.apply(x)
    slope = scale * torch.rsqrt(variance + eps)
    offset = shift - slope * mean
    constant = kernel.sum((2, 3)) @ offset
    return convolve_enlarged(x, kernel * slope.view(-1, 1, 1), padding), constant
