"""Runs made of runs: a large image as overlapping tiles, and several samples of one restoration."""

from zeroshot.composite.cropping import Window, cropped_operator, cropped_problem
from zeroshot.composite.samples import Samples
from zeroshot.composite.tiles import Tiles

__all__ = ["Samples", "Tiles", "Window", "cropped_operator", "cropped_problem"]
