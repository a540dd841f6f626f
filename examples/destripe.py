"""Subtract the stripes of a line sensor from a picture, and leave the rest as it is."""

from skimage.data import camera

import zeroshot
from zeroshot.tasks.degrade import degrade


def main(output: str = "destripe.png", seconds: float = 60.0) -> None:
    striped = degrade(camera()[100:356, 100:356], "destripe", stripes=20 / 255, quantise="8-bit")
    restored = zeroshot.solve(
        striped.measurement, task="destripe", direction="columns", sigma=0, seconds=seconds
    )
    restored.save_comparison(output)


if __name__ == "__main__":
    main()
