"""Demosaic, denoise and enlarge in one optimisation instead of one after the other."""

import torch
from skimage.data import cat

import zeroshot
from zeroshot.images import load
from zeroshot.noise import add_gaussian
from zeroshot.operators import Downsample, Mosaic


def main(output: str = "restore_raw.png", seconds: float = 60.0) -> None:
    scene = load(cat()[20:276, 100:356]).colours
    camera = Mosaic("RGGB") @ Downsample(2)
    raw = add_gaussian(camera(scene), 5 / 255, torch.Generator().manual_seed(0))
    restored = zeroshot.solve(raw, task="restore", operator=camera, sigma=5 / 255, seconds=seconds)
    restored.save_comparison(output)


if __name__ == "__main__":
    main()
