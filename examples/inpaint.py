"""Fill in the missing half of the pixels."""

import numpy as np
from skimage.data import astronaut

import zeroshot


def main(output: str = "inpaint.png", seconds: float = 60.0) -> None:
    photograph = astronaut()[:256, 100:356]
    known = np.random.default_rng(0).random(photograph.shape[:2]) < 0.5
    damaged = photograph * known[..., None]
    restored = zeroshot.solve(damaged, task="inpaint", mask=known, seconds=seconds)
    restored.save_comparison(output)


if __name__ == "__main__":
    main()
