"""The demo: a noisy photograph restored within a time budget.

    python examples/demo.py                        # skimage's astronaut with noise of 25 grey levels
    python examples/demo.py --image holiday.jpg    # your own picture, as it is

Writes before.png, after.png and plot.png into demo-output and prints the PSNR where the truth is known.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from skimage.data import astronaut

import zeroshot
from zeroshot import images
from zeroshot.metrics import psnr
from zeroshot.noise import add_gaussian


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", type=Path, help="restore this file as it is")
    parser.add_argument("--seconds", type=float, default=60.0, help="the budget (default 60)")
    parser.add_argument("--prior", default="bm3d")
    parser.add_argument("--output", type=Path, default=Path("demo-output"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)

    if arguments.image:
        clean, before, sigma = None, images.load(arguments.image), None
    else:
        clean = images.load(astronaut())
        noisy = add_gaussian(clean.colours, 25 / 255, torch.Generator().manual_seed(0)).clamp(0, 1)
        before, sigma = clean.with_colours(noisy), 25 / 255
    images.save(before, arguments.output / "before.png", overwrite=True)
    print(f"restoring {tuple(before.colours.shape[-2:])} pixels with prior {arguments.prior!r} …")

    restored = zeroshot.solve(
        arguments.output / "before.png", "denoise", arguments.prior, sigma=sigma, seconds=arguments.seconds
    )
    restored.save(arguments.output / "after.png", overwrite=True)
    figure, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
    for axis, name in zip(axes, ("before", "after"), strict=True):
        axis.imshow(plt.imread(arguments.output / f"{name}.png"), cmap="gray")
        axis.set_title(name)
        axis.axis("off")
    figure.savefig(arguments.output / "plot.png", dpi=120)

    print(f"{restored.iterations} iterations in {restored.seconds:.0f} s; {restored.stopped_by}")
    if clean is not None:
        print(f"PSNR before {psnr(before.colours, clean.colours):.2f} dB")
        print(f"PSNR after  {psnr(restored.picture.colours, clean.colours):.2f} dB")
    print(f"wrote before.png, after.png and plot.png into {arguments.output}")


if __name__ == "__main__":
    main()
