"""Sharpen a photograph that the lens has left a little soft, without halos; left out, the radius is found."""

from skimage.data import astronaut

import zeroshot
from zeroshot.tasks.degrade import degrade


def main(output: str = "sharpen.png", seconds: float = 60.0) -> None:
    soft = degrade(astronaut()[:256, 100:356], "sharpen", radius=1.2, sigma=1 / 255, quantise="8-bit")
    restored = zeroshot.solve(soft.measurement, task="sharpen", radius=1.2, seconds=seconds)
    restored.save_comparison(output)


if __name__ == "__main__":
    main()
