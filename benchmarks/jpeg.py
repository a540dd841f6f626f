"""JPEG: restored pictures beside the decoder, DnCNN-3 and published figures.

Grey, the usual classic5: PSNR, SSIM, PSNR-B with the blocking effect factor, seconds of processor time. Colour, Kodak
at full size with chroma 4:2:0: PSNR of R, G, B, of luma and of chroma. The encoder is Pillow's. DnCNN-3 restores luma,
as it was trained to, and leaves the decoder's chroma. `kept` is the share of coefficients that an encoder with the same
tables would find again in the result, rounded to 8 bits.

    python -m benchmarks.jpeg [--set classic5|kodak_full] [--qualities 10 20 30 40] [--priors bm3d,tv] [--size 256]

References
----------
C. Yim, A. C. Bovik: Quality assessment of deblocked images, IEEE TIP 20 (2011), for PSNR-B. Published figures are
quoted from K. Zhang et al.: Beyond a Gaussian denoiser, IEEE TIP 26 (2017), from memory.
"""

from __future__ import annotations

import importlib.util
import io
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import zeroshot
from zeroshot.metrics import ssim
from zeroshot.operators.jpeg_transform import ycbcr_matrix

from .arguments import add_table_options, parsed, parser, part_of_set
from .sets import SHARED, image_files
from .table import Figures, Table, means, show

#: Mean PSNR on the whole of classic5, by quality.
PUBLISHED = {
    10: {"decoder": 27.82, "ARCNN": 29.03, "DnCNN-3": 29.40},
    20: {"decoder": 30.12, "ARCNN": 31.15, "DnCNN-3": 31.63},
}
WEIGHTS = SHARED.parent / "weights" / "denoise" / "dncnn3.pth"
_NETWORKS = Path(__file__).resolve().parents[1] / "examples" / "learned_denoisers.py"
Restoring = Callable[[Path, np.ndarray], tuple[np.ndarray, Figures]]


def truth_of(file: Path, mode: str, size: int | None) -> np.ndarray:
    """The picture, or its centre, cut to whole blocks of chroma: (H, W) or (H, W, 3) of uint8."""
    pixels = np.asarray(Image.open(file).convert(mode))
    height, width = (min(length, size or length) // 16 * 16 for length in pixels.shape[:2])
    top, left = ((whole - part) // 2 for whole, part in zip(pixels.shape[:2], (height, width), strict=True))
    return pixels[top : top + height, left : left + width]


def encoded(truth: np.ndarray, quality: int) -> bytes:
    """The JPEG of a picture, chroma 4:2:0."""
    buffer = io.BytesIO()
    Image.fromarray(truth).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """The peak signal-to-noise ratio of arrays from 0 to 255."""
    return -10 * math.log10(np.square(first - second.astype(np.float64)).mean() / 255**2)


def planes(pixels: np.ndarray) -> np.ndarray:
    """Y, Cb and Cr, less the middle of the latter, (H, W, 3) from 0 to 255."""
    return pixels.astype(np.float64) @ ycbcr_matrix().numpy().T


def psnr_b(image: np.ndarray, truth: np.ndarray) -> float:
    """PSNR with the blocking effect factor added to the squared error: of grey pictures."""
    image = image.astype(np.float64)
    excess = 0.0
    for picture in (image, image.T):
        steps = np.square(np.diff(picture, axis=1)).mean(axis=0)
        at_edges = np.arange(1, picture.shape[1]) % 8 == 0
        between, within = steps[at_edges].mean(), steps[~at_edges].mean()
        if between > within:
            factor = math.log2(8) / math.log2(min(picture.shape))
            share = at_edges.sum() / (at_edges.sum() + (~at_edges).sum())
            excess += factor * (between - within) * share / 2
    return -10 * math.log10((np.square(image - truth).mean() + excess) / 255**2)


def figures_of(image: np.ndarray, truth: np.ndarray) -> Figures:
    """What the table shows of a restored picture."""
    if truth.ndim == 2:
        unit = [torch.from_numpy(part.astype(np.float32))[None, None] / 255 for part in (image, truth)]
        return {"psnr": psnr(image, truth), "ssim": float(ssim(*unit)), "psnr_b": psnr_b(image, truth)}
    ours, true = planes(image), planes(truth)
    luma, chroma = psnr(ours[..., 0], true[..., 0]), psnr(ours[..., 1:], true[..., 1:])
    return {"psnr": psnr(image, truth), "luma": luma, "chroma": chroma}


def by_prior(prior: str) -> Restoring:
    """Our restoration, told nothing but the file."""

    def restored(file: Path, decoded: np.ndarray) -> tuple[np.ndarray, Figures]:
        result = zeroshot.solve(file, task="jpeg", prior=prior)
        return result.image, {"kept": result.findings["coefficients_kept_in_8_bits"]}

    return restored


def by_network() -> Restoring:
    """DnCNN-3 on luma."""
    specification = importlib.util.spec_from_file_location("learned_denoisers", _NETWORKS)
    assert specification is not None
    assert specification.loader is not None
    module: Any = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    network = module.convolutions(WEIGHTS)

    def restored(file: Path, decoded: np.ndarray) -> tuple[np.ndarray, Figures]:
        grey = decoded.ndim == 2
        channels = decoded.astype(np.float64)[..., None] if grey else planes(decoded)
        luma = torch.from_numpy(channels[..., 0]).float()[None, None] / 255
        with torch.no_grad():
            channels[..., 0] = 255 * (luma - network(luma))[0, 0].numpy()
        pixels = channels[..., 0] if grey else channels @ np.linalg.inv(ycbcr_matrix().numpy()).T
        return np.clip(pixels, 0, 255).round().astype(np.uint8), {}

    return restored


def measured(restore: Restoring, truth: np.ndarray, quality: int, folder: Path) -> Figures:
    """The figures of one method for one picture."""
    file = folder / "picture.jpg"
    file.write_bytes(encoded(truth, quality))
    decoded = np.asarray(Image.open(file))
    begun = time.process_time()
    image, more = restore(file, decoded)
    seconds = time.process_time() - begun
    return {**figures_of(image, truth), **more, "seconds": seconds}


def main() -> None:
    options = parser(__doc__)
    options.add_argument(
        "--set", dest="folder", default="classic5", help="classic5 or a set of colour pictures"
    )
    options.add_argument("--qualities", type=int, nargs="+", default=[10, 20, 30, 40])
    add_table_options(options, "bm3d,dct,tv")
    arguments = parsed(options)
    mode = "L" if arguments.folder == "classic5" else "RGB"
    methods: dict[str, Restoring] = {"decoder": lambda file, decoded: (decoded, {})}
    if WEIGHTS.is_file():
        methods["DnCNN-3"] = by_network()
    methods |= {prior: by_prior(prior) for prior in arguments.priors}
    files = image_files(arguments.folder, arguments.images)
    columns = ["psnr", "ssim", "psnr_b"] if mode == "L" else ["psnr", "luma", "chroma"]
    for quality in arguments.qualities:
        terms = {"set": arguments.folder, "quality": quality, "size": arguments.size or "whole"}
        table = Table("jpeg", terms, [file.stem for file in files], list(methods), again=arguments.again)
        lines: list[list[Any]] = []
        with tempfile.TemporaryDirectory() as folder:
            for name, restore in methods.items():
                found = []
                for file in files:
                    truth = truth_of(file, mode, arguments.size)
                    work = _work(restore, truth, quality, Path(folder))
                    found.append(table.measure(file.stem, name, work))
                mean = means([[one.get(key) for key in (*columns, "kept", "seconds")] for one in found])
                lines.append([name, *mean])
        table.write_csv()
        whole = arguments.folder == "classic5" and arguments.size is None and arguments.images is None
        published = PUBLISHED.get(quality, {}) if whole else {}
        lines += [
            [f"{name}, published", figure, None, None, None, None] for name, figure in published.items()
        ]
        forms = {"": "", "PSNR": ".2f", **dict.fromkeys(columns[1:], ".3f" if mode == "L" else ".2f")}
        show(
            f"{arguments.folder}, quality {quality}{part_of_set(arguments)}",
            {**forms, "kept": ".4f", "seconds": ".1f"},
            lines,
        )


def _work(restore: Restoring, truth: np.ndarray, quality: int, folder: Path) -> Callable[[], Figures]:
    return lambda: measured(restore, truth, quality, folder)


if __name__ == "__main__":
    main()
