"""Which recipe of Deep Image Prior a problem gets: by its task, its noise and the shape of its holes."""

from __future__ import annotations

from dataclasses import replace

import torch

from zeroshot.operators import Identity, Mask
from zeroshot.priors.untrained import recipes
from zeroshot.priors.untrained.guide import can_guide
from zeroshot.priors.untrained.recipes import Recipe
from zeroshot.priors.untrained.settings import CHEAPER
from zeroshot.problem import Problem

#: Radius in pixels of the largest hole that a guide is made for.
_SMALL_HOLE = 6.0


def recipe_for(name: str, problem: Problem) -> Recipe:
    """The row of recipe `name` for this problem.

    Raises
    ------
    ValueError
        Where there is no recipe of that name.
    """
    if name == "reference":
        return _reference(problem)
    if name == "fast":
        return _fast(problem)
    raise ValueError(f"there is no recipe {name!r}; there are 'fast' and 'reference'")


def _reference(problem: Problem) -> Recipe:
    if problem.task == "sr":
        return recipes.PUBLISHED_SR_8 if _enlargement(problem) >= 6 else recipes.PUBLISHED_SR_4
    if problem.task == "demosaic":
        return recipes.PUBLISHED_RANDOM_HOLES
    if problem.task in ("inpaint", "colorize"):
        return _published_inpainting(problem)
    if problem.task in ("deblur", "restore") and not _is_noisy(problem):
        return recipes.PUBLISHED_SR_4
    strong = problem.sigma is not None and problem.sigma > 37 / 255
    return recipes.PUBLISHED_STRONG_DENOISING if strong else recipes.PUBLISHED_DENOISING


def _published_inpainting(problem: Problem) -> Recipe:
    missing, radius = hole_shape(problem)
    if missing > 0.9:
        return recipes.PUBLISHED_FEW_PIXELS
    if radius > 0.06 * min(problem.reference_shape[-2:]):
        return recipes.PUBLISHED_REGION
    return recipes.PUBLISHED_RANDOM_HOLES if missing > 0.25 else recipes.PUBLISHED_TEXT


def _fast(problem: Problem) -> Recipe:
    row = _fast_row(problem)
    guide = row.settings["guide"]
    while guide != "initial" and not can_guide(guide, problem):
        guide = CHEAPER[guide]
    if guide == "initial" and "guide_role" not in row.settings:
        # It shows the held-out pixels, and bakes its artefacts in.
        guide = "none"
    settings = {**row.settings, "guide": guide}
    if settings.get("stopping") in ("gain", "rim"):
        settings["held_out"] = _share_to_hold_out(problem)
    return replace(row, settings=settings)


def _share_to_hold_out(problem: Problem) -> float:
    """A thousand pixels tell images apart; more than 3 % cost the image, and less than 1 % gain nothing."""
    pixels = problem.y.shape[-2] * problem.y.shape[-1]
    return min(0.03, max(0.01, round(1000 / pixels, 3)))


def _fast_row(problem: Problem) -> Recipe:
    if _is_noisy(problem):
        assert problem.sigma is not None
        if isinstance(problem.operator, Identity | Mask):
            return recipes.FAST_DENOISING if problem.sigma > 12 / 255 else recipes.FAST_WEAK_NOISE
        return recipes.FAST_INDIRECT_NOISE if problem.sigma >= 5 / 255 else recipes.FAST_INDIRECT_WEAK_NOISE
    if problem.task == "demosaic":
        return recipes.FAST_MOSAIC
    if problem.task == "colorize":
        return recipes.FAST_COLOURS
    if problem.task == "inpaint":
        return recipes.FAST_HOLES if hole_shape(problem)[1] <= _SMALL_HOLE else recipes.FAST_REGIONS
    if problem.task == "sr":
        return recipes.FAST_LARGE_SR if _enlargement(problem) >= 6 else recipes.FAST_SR
    return recipes.FAST_NOISE_FREE


def _is_noisy(problem: Problem) -> bool:
    return problem.sigma is not None and problem.sigma > 0.5 / 255


def _enlargement(problem: Problem) -> float:
    return problem.reference_shape[-1] / problem.y.shape[-1]


def hole_shape(problem: Problem) -> tuple[float, float]:
    """The fraction of missing pixels, and the radius in pixels of the largest disc of missing pixels.

    Random holes of one half have a radius of two or three pixels, a scratch or a letter one of a few pixels,
    a removed object one of many.
    """
    if problem.measured is None:
        return 0.0, 0.0
    # Half a second that only holes need.
    from scipy.ndimage import distance_transform_edt

    known = problem.measured.amin(dim=1)[0].cpu() > 0.5
    known = known.expand(problem.y.shape[-2:])
    missing = 1 - float(known.to(torch.float32).mean())
    # A border of known pixels would hide how far a hole at the edge of the image reaches inwards.
    return missing, float(distance_transform_edt(~known.numpy()).max())
