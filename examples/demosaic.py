"""Turn the raw mosaic of a camera sensor into a colour picture."""

from skimage.data import cat

import zeroshot
from zeroshot.images import load
from zeroshot.operators import Mosaic


def main(output: str = "demosaic.png", seconds: float = 60.0) -> None:
    colours = load(cat()[20:212, 100:292]).colours
    raw = Mosaic("RGGB")(colours)
    restored = zeroshot.solve(raw, task="demosaic", pattern="RGGB", prior="tv", seconds=seconds)
    restored.save_comparison(output)


if __name__ == "__main__":
    main()
