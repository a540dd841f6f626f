"""The picture at the top of the README: noise, missing pixels and low resolution, before and after.

    python examples/before_after.py                # writes docs/before_after.png, in about a minute

Photographs of skimage.data are damaged with a seed; each is restored from the damaged picture alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.data import astronaut, chelsea, coffee

import zeroshot
from zeroshot.tasks.degrade import degrade

#: Task, picture, upper left corner of the crop, damage, prior.
COLUMNS = (
    ("denoise", astronaut, (20, 130), {"sigma": 25 / 255}, "bm3d"),
    ("inpaint", coffee, (70, 220), {"missing": 0.6}, "ncsr"),
    ("sr", chelsea, (20, 130), {"scale": 3}, "ncsr"),
)
_GAP = 6


def restored_beside(column: tuple, side: int) -> np.ndarray:
    """The damaged crop above the restored one, 8-bit RGB."""
    task, picture, (top, left), damage, prior = column
    made = degrade(picture()[top : top + side, left : left + side], task, seed=0, **damage)
    restored = zeroshot.solve(made.measurement, task, prior, **made.options).image
    before, after = (_eight_bits(image) for image in (made.measurement, restored))
    enlarged = before.repeat(side // before.shape[0], axis=0).repeat(side // before.shape[1], axis=1)
    return np.concatenate([enlarged, np.full((_GAP, side, 3), 255, np.uint8), after])


def _eight_bits(image) -> np.ndarray:
    return image[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()


def main(output: str = "docs/before_after.png", side: int = 174) -> None:
    gap = np.full((2 * side + _GAP, _GAP, 3), 255, np.uint8)
    columns = [restored_beside(column, side) for column in COLUMNS]
    sheet = np.concatenate([part for column in columns for part in (column, gap)][:-1], axis=1)
    Image.fromarray(sheet).save(output, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("docs/before_after.png"))
    main(str(parser.parse_args().output))
