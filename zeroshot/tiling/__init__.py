"""Runs made of runs: a large image as overlapping tiles, and several samples of one restoration."""

from zeroshot.tiling.samples import Samples
from zeroshot.tiling.tiles import Tiles

__all__ = ["Samples", "Tiles"]
