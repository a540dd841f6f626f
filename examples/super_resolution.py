"""Enlarge a small picture four times."""

from skimage.data import cat

import zeroshot
from zeroshot.images import load
from zeroshot.operators import Downsample


def main(output: str = "super_resolution.png", seconds: float = 60.0) -> None:
    large = load(cat()[20:276, 100:356]).colours
    small = Downsample(4)(large)
    restored = zeroshot.solve(small, task="sr", scale=4, seconds=seconds)
    restored.save_comparison(output)


if __name__ == "__main__":
    main()
