"""Undo a known camera shake in the presence of noise."""

import torch
from skimage.data import camera

import zeroshot
from zeroshot.images import load
from zeroshot.noise import add_gaussian
from zeroshot.operators import Blur


def main(output: str = "deblur.png", seconds: float = 60.0) -> None:
    sharp = load(camera()[100:356, 130:386]).colours
    shake = Blur.motion(15, angle=30)
    blurred = add_gaussian(shake(sharp), 2 / 255, torch.Generator().manual_seed(0))
    restored = zeroshot.solve(
        blurred, task="deblur", kernel=shake.kernel, sigma=2 / 255, prior="tv", seconds=seconds
    )
    restored.save_comparison(output)


if __name__ == "__main__":
    main()
