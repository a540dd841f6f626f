"""Patches of an image: cut out, compared, grouped, and put back by averaging.

Shared by every prior that works on small blocks: collaborative filtering, grouped low rank, group sparsity,
learned dictionaries, non-local total variation. All of it is tensor code without a loop over pixels.
"""

from zeroshot.patches.blocks import (
    PatchAverage,
    corner_grid,
    corners_shape,
    factors_of,
    grid_steps,
    overlap_add,
    patch_coefficients,
    patch_sums,
    patches_at,
    pixel_rows,
    sum_of_patches,
    sum_of_windows,
)
from zeroshot.patches.matching import Matches, match_blocks

__all__ = [
    "Matches",
    "PatchAverage",
    "corner_grid",
    "corners_shape",
    "factors_of",
    "grid_steps",
    "match_blocks",
    "overlap_add",
    "patch_coefficients",
    "patch_sums",
    "patches_at",
    "pixel_rows",
    "sum_of_patches",
    "sum_of_windows",
]
