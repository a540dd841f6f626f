"""Impulses and stripes: what is found of them, and what is left.

The cameraman of Set12 with impulses at a share of its pixels, black or white or of any value, and with offsets of its
columns. Of impulses: PSNR of the input, of the median of the neighbours at just those pixels, of inpainting by total
variation told where they are, and of `denoise`, told nothing; the share of those that differ by more than 0.15 that
was found, and of the sound pixels that were taken for impulses. Of stripes: PSNR of the input, of
`destripe --sigma 0`, which subtracts them alone, and of `destripe`, which removes the noise it finds as well.

    python -m benchmarks.impulses_and_stripes [--threads 1]
"""

from __future__ import annotations

import warnings

import torch
from scipy.ndimage import median_filter

import zeroshot
from zeroshot.metrics import psnr
from zeroshot.noise import outliers, stripes
from zeroshot.spelling import OptionWarning

from .arguments import count, parsed, parser
from .sets import SHARED, picture

#: Kind, share.
IMPULSES = (("black or white", 0.1), ("black or white", 0.5), ("any", 0.2), ("any", 0.4))
#: Standard deviations of the offsets of columns and of white noise beside them, in grey levels.
STRIPES = ((25, 0), (25, 10))
#: What differs by less is no impulse to the eye.
VISIBLE = 0.15


def eight_bits(image: torch.Tensor) -> torch.Tensor:
    """The image as a file has it."""
    return (255 * image.clamp(0, 1)).round() / 255


def of_impulses(truth: torch.Tensor, kind: str, share: float) -> dict[str, float]:
    """The figures of one kind of impulses."""
    generator = torch.Generator().manual_seed(0)
    hit = torch.rand(truth.shape, generator=generator) < share
    drawn = torch.rand(truth.shape, generator=generator)
    spoiled = eight_bits(torch.where(hit, drawn if kind == "any" else drawn.round(), truth))
    found = outliers(spoiled, clear=True)
    visible = hit & ((spoiled - truth).abs() > VISIBLE)
    median = torch.from_numpy(median_filter(spoiled[0, 0].numpy(), 5))[None, None]
    options = {"progress": False, "value_range": (0, 1)}
    told = zeroshot.inpaint(spoiled[0], mask=(~hit)[0, 0].numpy(), prior="tv", **options).image
    ours = zeroshot.denoise(spoiled[0], prior="bm3d", **options).image
    return {
        "input": psnr(spoiled, truth),
        "median there": psnr(torch.where(hit, median, spoiled), truth),
        "tv, told where": psnr(torch.as_tensor(told)[None], truth),
        "denoise": psnr(torch.as_tensor(ours)[None], truth),
        "found": float((found & visible).sum() / visible.sum()),
        "wrong": float((found & ~hit).sum() / (~hit).sum()),
    }


def of_stripes(truth: torch.Tensor, level: float, noise: float) -> dict[str, float]:
    """The figures of one strength of stripes."""
    generator = torch.Generator().manual_seed(0)
    offsets = stripes(tuple(truth.shape), level / 255, "columns", generator)
    white = noise / 255 * torch.randn(truth.shape, generator=generator)
    spoiled = eight_bits(truth + offsets + white)
    options = {"prior": "bm3d", "progress": False, "value_range": (0, 1)}
    alone, ours = (zeroshot.destripe(spoiled[0], sigma=sigma, **options).image for sigma in (0, None))
    return {
        "input": psnr(spoiled, truth),
        "destripe --sigma 0": psnr(torch.as_tensor(alone)[None], truth),
        "destripe": psnr(torch.as_tensor(ours)[None], truth),
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--threads", type=count, help="CPU threads (default: all cores)")
    parsed(options)
    truth = picture(SHARED / "set12" / "cameraman.png")
    # What is found is in the figures.
    warnings.simplefilter("ignore", OptionWarning)
    for kind, share in IMPULSES:
        show_row(f"{share:.0%} {kind}", of_impulses(truth, kind, share))
    for level, noise in STRIPES:
        show_row(f"columns {level}, white noise {noise}", of_stripes(truth, level, noise))


def show_row(name: str, figures: dict[str, float]) -> None:
    """Print the figures of one damage."""
    print(name + ": " + ", ".join(f"{what} {value:.2f}" for what, value in figures.items()), flush=True)


if __name__ == "__main__":
    main()
