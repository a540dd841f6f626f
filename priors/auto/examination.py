"""What candidates are examined by: a problem like the one to be solved, whose answer is known in part or in whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from zeroshot.data_terms import Gaussian
from zeroshot.operators import Downsample, Mask
from zeroshot.operators.window import Window
from zeroshot.priors.auto.candidates import LEAST_PIXELS
from zeroshot.problem import Problem
from zeroshot.validation_split import put_aside

#: Holes are displaced where they take up less of the picture than this; more would leave too little.
_FEW_HOLES = 0.3
#: Holes are those of a shape where this share of their pixels has a hole on all four sides.
_SHAPED = 0.25
#: Windows of a picture with holes have at least this multiple of its share of known and of missing pixels.
_KNOWN = 0.5
#: The largest side of a window, and the most windows.
_LARGEST_WINDOW, _MOST_WINDOWS = 192, 6


@dataclass(frozen=True)
class Examination:
    """A problem to be solved, and how its solution is judged.

    Attributes
    ----------
    problem : Problem
        What a candidate solves.
    errors : callable
        Image → one penalty for each value that it is judged by, of one dimension.
    chance : float
        The part of the mean penalty that even the true image would have, from the noise in what it is judged by.
    share : float
        The pixels of the problem as a share of those of the one that is to be solved in the end.
    is_whole : bool
        Whether its image is one of the whole picture.
    """

    problem: Problem
    errors: Callable[[torch.Tensor], torch.Tensor]
    chance: float
    share: float
    is_whole: bool


def held_out(problem: Problem, window: Window | None, fraction: float, seed: int) -> Examination:
    """A window of the picture without a part of its measurements, which are what it is judged by.

    Where holes are few and have a shape (scratches, letters, blocks) the part is holes of the same shapes elsewhere,
    since single pixels are predicted by priors that fail in large holes; else it is random.
    """
    whole = problem.reference_shape
    seen = problem if window is None else problem.crop(window)
    part, aside = put_aside(seen, fraction, torch.Generator().manual_seed(seed), _displaced_holes(seen))

    def errors(image: torch.Tensor) -> torch.Tensor:
        penalty = seen.data_term.penalty(seen.operator(image), seen.y)
        return penalty[aside.expand_as(penalty) > 0].cpu().double()

    term, chance = seen.data_term, 0.0
    if isinstance(term, Gaussian):
        chance = 0.5 * (seen.noise_rms() / term.sigma) ** 2
    share = part.reference_shape[-2] * part.reference_shape[-1] / (whole[-2] * whole[-1])
    return Examination(part, errors, chance, share, window is None)


def _displaced_holes(problem: Problem) -> torch.Tensor | None:
    """1 at known pixels where a hole of the picture comes to lie when it is displaced; None where they are random."""
    known = problem.known_pixels()
    if not isinstance(problem.operator, Mask) or known is None:
        return None
    hole = 1 - known.amin(dim=1, keepdim=True)
    share = float(hole.mean())
    inner = -functional.max_pool2d(-functional.pad(hole, (1, 1, 1, 1), value=1.0), 3, stride=1)
    if not 0 < share < _FEW_HOLES or float(inner.mean()) < _SHAPED * share:
        return None
    height, width = hole.shape[-2:]
    shifts = [(height // 2, width // 2), (height // 3, width // 3), (height // 2, 0), (0, width // 2)]
    candidates = [torch.roll(hole, shift, (-2, -1)) * known for shift in shifts]
    aside = max(candidates, key=lambda one: float(one.sum()))
    return aside if float(aside.sum()) >= 2 else None


def coarser(problem: Problem, seed: int) -> Examination | None:
    """The measurement as the truth, shrunk once more in the same way.

    Pictures are alike at different scales, so that who enlarges the coarser one best is likely to enlarge the picture
    best. Measurements put aside would say little: each is a mean over many pixels, and all priors predict it well.

    Parameters
    ----------
    problem : Problem
        Of super-resolution.
    seed : int
        Of the noise that is added.

    Returns
    -------
    Examination or None
        None where the coarser picture would be too small, or other damage was done to the picture.

    References
    ----------
    D. Glasner, S. Bagon, M. Irani: Super-resolution from a single image, ICCV 2009.
    A. Shocher, N. Cohen, M. Irani: "Zero-shot" super-resolution using deep internal learning, CVPR 2018.
    """
    operator = problem.operator
    if not isinstance(operator, Downsample) or problem.measured is not None:
        return None
    height, width = (side // operator.scale * operator.scale for side in problem.y.shape[-2:])
    if height * width < LEAST_PIXELS:
        return None
    truth = problem.y[..., :height, :width].clamp(0, 1).contiguous()
    shrunk, sigma = operator(truth), problem.noise_rms()
    noise = torch.randn(shrunk.shape, generator=torch.Generator().manual_seed(seed)).to(shrunk)
    part = Problem(shrunk + sigma * noise, operator, problem.data_term, sigma=sigma, task=problem.task)

    def errors(restored: torch.Tensor) -> torch.Tensor:
        # Errors of neighbouring pixels go together: blocks of them are what is independent.
        squares = (restored - truth).square().mean(dim=1, keepdim=True)
        return functional.avg_pool2d(squares, 4, ceil_mode=True).flatten().cpu().double()

    whole = problem.reference_shape
    # What noise the truth has, all predict equally badly.
    return Examination(part, errors, sigma**2, height * width / (whole[-2] * whole[-1]), False)


def windows(problem: Problem, share: float) -> list[Window]:
    """Windows that together cover about this share of the picture and stand for all of it; none if it cannot be cut.

    The picture is covered by equal ones, which are sorted by the energy of their gradients and dealt into as many
    strata as there may be windows. Of each stratum that window is taken whose energy is nearest to its mean: texture,
    edges and flat parts all have their turn, those with the most to tell first.
    """
    height, width = problem.reference_shape[-2:]
    area = share * height * width
    if problem.reason_against_cropping() is not None:
        return []
    asked = problem.operator.locality()
    if height % asked.align or width % asked.align:
        return []
    count = max(1, min(_MOST_WINDOWS, int(area // (2 * LEAST_PIXELS))))
    side = min(int((area / count) ** 0.5), _LARGEST_WINDOW, height, width) // asked.align * asked.align
    if side < min(16 + 2 * asked.reach, height, width):
        return []
    image = problem.initial().mean(dim=1, keepdim=True)
    across = functional.pad(image.diff(dim=-1), (0, 1)).square()
    energy = across + functional.pad(image.diff(dim=-2), (0, 0, 0, 1)).square()
    places = _with_holes(
        problem,
        [
            Window(top, left, side, side)
            for top in _starts(side, height, asked.align)
            for left in _starts(side, width, asked.align)
        ],
    )
    ranked = sorted(places, key=lambda window: -float(window.of(energy).mean()))
    count = min(count, len(ranked))
    chosen = []
    for index in range(count):
        stratum = ranked[index * len(ranked) // count : (index + 1) * len(ranked) // count]
        values = [float(window.of(energy).mean()) for window in stratum]
        mean = sum(values) / len(values)
        fitting = min(range(len(stratum)), key=lambda place: abs(values[place] - mean))
        chosen.append(stratum[fitting])
    return chosen


def _starts(side: int, whole: int, align: int) -> list[int]:
    """Where windows begin that cover all of an axis, evenly spread."""
    count = -(-whole // side)
    return [index * (whole - side) // max(count - 1, 1) // align * align for index in range(count)]


def _with_holes(problem: Problem, places: list[Window]) -> list[Window]:
    """Of the windows those where there is something to fill in and something to judge by, in inpainting."""
    known = problem.known_pixels()
    if not isinstance(problem.operator, Mask) or known is None:
        return places
    share = float(known.mean())
    shares = [float(window.of(known).mean()) for window in places]
    return [
        window
        for window, own in zip(places, shares, strict=True)
        if own >= _KNOWN * share and 1 - own >= _KNOWN * (1 - share)
    ]
