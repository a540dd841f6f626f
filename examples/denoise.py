"""Remove Gaussian noise whose level is known."""

import torch
from skimage.data import coffee

import zeroshot
from zeroshot.images import load
from zeroshot.noise import add_gaussian


def main(output: str = "denoise.png", seconds: float = 60.0) -> None:
    clean = load(coffee()[100:356, 150:406]).colours
    noisy = add_gaussian(clean, 25 / 255, torch.Generator().manual_seed(0))
    restored = zeroshot.solve(noisy, task="denoise", sigma=25 / 255, seconds=seconds)
    restored.save_comparison(output)


if __name__ == "__main__":
    main()
