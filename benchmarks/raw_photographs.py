"""Raw photographs with the noise of a sensor: what priors make of the mosaic, and how long they take.

Photographs are taken for the light itself (sRGB undone), seen through a Bayer mosaic with the white balance of a
camera, given noise of the variance readout² + gain · x, and restored by ``denoise`` as raw files are. PSNR is that of
the rendered picture; the seconds are those of one processor::

    python -m benchmarks.raw_photographs [--priors pnp,tv,wavelet,dct] [--images 6] [--size 128] [--sets kodak_full]
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import numpy as np
import torch

from zeroshot.images.metadata import Metadata
from zeroshot.images.raw import RawPhotograph
from zeroshot.metrics import psnr
from zeroshot.raw import restored_raw
from zeroshot.request import Request
from zeroshot.tiling.planning import Tiling
from zeroshot.watch import Watch

from .arguments import count, parsed, parser
from .sets import image_files, picture
from .table import means, show

#: Gain and readout noise, as shares of the way from black to white.
NOISE = ((0.002, 0.003), (0.01, 0.004), (0.0003, 0.001))
_PATTERN = ("RG", "GB")
_NEUTRAL = np.array([0.5, 1.0, 0.7])


def photographed(truth: np.ndarray, gain: float, readout: float) -> RawPhotograph:
    """What a camera makes of a scene, (H, W, 3) in sRGB; with a fixed seed."""
    light = np.where(truth <= 0.04045, truth / 12.92, ((truth + 0.055) / 1.055) ** 2.4) * _NEUTRAL
    mosaic = np.empty(truth.shape[:2])
    for down, row in enumerate(_PATTERN):
        for right, letter in enumerate(row):
            mosaic[down::2, right::2] = light[down::2, right::2, "RGB".index(letter)]
    draw = np.random.default_rng(0)
    mosaic = draw.poisson(mosaic / gain) * gain + draw.normal(0, readout, mosaic.shape)
    counts = np.rint(mosaic * 4095).clip(-64, 4095) / 4095
    gains = (2.0, 1.0, float(1 / _NEUTRAL[2]))
    return RawPhotograph(
        counts.astype(np.float32), _PATTERN, gains, np.eye(3), 0, Metadata(), Path("scene.dng"), (64, 4159)
    )


def restored(photograph: RawPhotograph, prior: str) -> tuple[torch.Tensor, float]:
    """The rendered picture (1, 3, H, W) and the seconds of the processor."""
    watch = Watch(progress=False)
    request = Request("denoise", prior, None, None, None, 0, torch.device("cpu"), watch, Tiling(tile=None))
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = restored_raw(photograph, request, {}, "srgb", None)
    return result.picture.colours, time.process_time() - began


def main() -> None:
    """Print a table for every noise: PSNR and seconds of each prior, picture by picture."""
    options = parser(__doc__)
    options.add_argument("--priors", default="pnp,tv,wavelet,dct", help="with commas between them")
    options.add_argument("--sets", default="kodak_full,mcmaster", help="with commas between them")
    options.add_argument("--images", type=count, default=4, help="of each set (default 4)")
    options.add_argument("--size", type=count, default=128, help="of the central crops (default 128)")
    options.add_argument("--threads", type=count, help="CPU threads (default: all cores)")
    arguments = parsed(options)
    priors = arguments.priors.split(",")
    files = [file for name in arguments.sets.split(",") for file in image_files(name, arguments.images)]
    heads = {f"{prior} {what}": form for prior in priors for what, form in (("dB", ".2f"), ("s", ".1f"))}
    for gain, readout in NOISE:
        rows = []
        for file in files:
            truth = picture(file, arguments.size)
            photograph = photographed(truth[0].movedim(0, -1).numpy(), gain, readout)
            row: list[float | None] = []
            for prior in priors:
                image, seconds = restored(photograph, prior)
                row += [psnr(image, truth), seconds]
            rows.append(row)
        title = f"gain {gain}, readout {readout}, crops of {arguments.size}"
        lines = [[file.stem, *row] for file, row in zip(files, rows, strict=True)]
        show(title, {"picture": "", **heads}, [*lines, ["mean", *means(rows)]])


if __name__ == "__main__":
    main()
