"""A sheet of noisy photographs, before and after, to be looked at.

Pictures without a truth can only be judged by eye: no blotches of coarse colour noise, no wax where there was skin, no
shift of colour. The left column is the noisy picture, the right one what `denoise` makes of it, told nothing. For each
picture the mean of every channel before and after is printed, in grey levels, and the largest shift of them.

    python -m benchmarks.real_sheet [--folder rni15] [--prior bm3d] [--size 256] [--output benchmarks/output/sheet.png]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

import zeroshot

from .arguments import count, parsed, parser
from .sets import SHARED
from .table import OUTPUT

_GAP = 6
_KINDS = (".png", ".jpg", ".jpeg", ".tif")


def noisy_files(folder: str) -> list[Path]:
    """The photographs of a folder of the shared data: of pairs the noisy ones."""
    place = SHARED / folder
    files = sorted(path for path in place.rglob("*") if path.suffix.lower() in _KINDS)
    paired = [path for path in files if path.stem.endswith("_real")]
    if not files:
        raise SystemExit(f"no pictures in {place}; the folder `shared` belongs beside the checkout")
    return paired or files


def in_colour(image: Image.Image | np.ndarray) -> np.ndarray:
    """A picture as (H, W, 3) of uint8."""
    return np.asarray((image if isinstance(image, Image.Image) else Image.fromarray(image)).convert("RGB"))


def centre(pixels: np.ndarray, size: int) -> np.ndarray:
    """The centre, at most that large, on white where it is smaller."""
    height, width = pixels.shape[:2]
    top, left = max(0, height - size) // 2, max(0, width - size) // 2
    part = pixels[top : top + size, left : left + size]
    missing = [(0, size - part.shape[0]), (0, size - part.shape[1]), (0, 0)]
    return np.pad(part, missing, constant_values=255)


def shift_of_means(before: np.ndarray, after: np.ndarray) -> str:
    """The means of the channels before and after, and the largest difference of them."""
    means = [image.reshape(-1, 3).mean(axis=0) for image in (before, after)]
    listed = [" ".join(f"{value:.2f}" for value in each) for each in means]
    return (
        f"means {listed[0]} before, {listed[1]} after, at most {np.abs(means[0] - means[1]).max():.2f} apart"
    )


def main() -> None:
    options = parser(__doc__)
    add = options.add_argument
    add("--folder", default="rni15", help="of the shared data (default rni15)")
    add("--prior", default="bm3d", help="(default bm3d)")
    add("--size", type=count, default=256, help="side of the centres that are shown (default 256)")
    add("--threads", type=count, help="CPU threads (default: all cores)")
    add("--output", type=Path, default=OUTPUT / "sheet.png", help="(default benchmarks/output/sheet.png)")
    arguments = parsed(options)
    rows = []
    for file in noisy_files(arguments.folder):
        before = in_colour(Image.open(file))
        result = zeroshot.denoise(file, prior=arguments.prior, progress=False)
        after = in_colour(np.asarray(result.image))
        told = result.noise_in_words or f"white noise of {255 * result.sigma:.1f} grey levels"
        print(f"{file.stem}: {told}; {shift_of_means(before, after)}", flush=True)
        gap = np.full((arguments.size, _GAP, 3), 255, np.uint8)
        rows.append(np.hstack([centre(before, arguments.size), gap, centre(after, arguments.size)]))
        rows.append(np.full((_GAP, rows[0].shape[1], 3), 255, np.uint8))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.vstack(rows[:-1])).save(arguments.output)
    print(f"written: {arguments.output}")


if __name__ == "__main__":
    main()
