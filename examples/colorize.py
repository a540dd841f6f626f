"""Colour a grey picture from a few coloured pixels, as from a painter's strokes."""

import numpy as np
from skimage.data import coffee

import zeroshot


def main(output: str = "colorize.png", seconds: float = 60.0) -> None:
    photograph = coffee()[100:292, 180:372]
    strokes = np.zeros((*photograph.shape[:2], 4), dtype=np.uint8)
    drawn = np.random.default_rng(0).random(photograph.shape[:2]) < 0.02
    strokes[drawn, :3] = photograph[drawn]
    strokes[drawn, 3] = 255
    grey = (photograph @ [0.299, 0.587, 0.114]).round().astype(np.uint8)
    restored = zeroshot.solve(grey, task="colorize", hints=strokes, seconds=seconds)
    restored.save_comparison(output)


if __name__ == "__main__":
    main()
