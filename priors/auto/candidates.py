"""Which priors are tried for a task: how good and how dear they were on test sets, and what a picture has room for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from zeroshot.problem import Problem
from zeroshot.standings import stored

#: By what candidates are told apart: measurements that are put aside, a coarser version of the picture whose truth is
#: known, or nothing but what was measured on other pictures.
Evidence = Literal["held_out", "coarser", "none"]

#: What may be spent on trials, in runs of the prior that is chosen.
ALLOWANCE = 1.2
#: The fewest pixels that tell two priors apart.
LEAST_PIXELS = 64 * 64


@dataclass(frozen=True)
class Figures:
    """What was measured of a prior on test sets.

    Attributes
    ----------
    gain : float
        Mean PSNR in dB above that of the first candidate.
    cost : float
        Seconds of processor time for a million pixels, of one thread.
    """

    gain: float
    cost: float


#: Task → candidates; who was weaker on every picture is none. Coefficients of a JPEG that are put aside are mostly 0
#: and tell no prior from another.
_NAMES: dict[str, tuple[str, ...]] = {
    "denoise": ("bm3d", "ncsr"),
    "destripe": ("bm3d", "ncsr"),
    "inpaint": ("gsr", "pnp", "dct", "wavelet", "tv"),
    "sr": ("pnp", "ncsr", "tv"),
    "deblur": ("pnp", "tv"),
    "sharpen": ("wiener", "tv"),
    "demosaic": ("pnp", "tv"),
    "colorize": ("tv", "tgv"),
    "jpeg": ("bm3d",),
    "restore": ("pnp", "tv"),
}
#: The order in wide holes, in which groups of patches have little to go by: "gsr" is weaker on the mean, but much
#: better where textures repeat, and so the next to be tried.
_IN_WIDE_HOLES = ("pnp", "gsr", "dct", "wavelet", "tv")
#: Tasks whose candidates were measured on another's pictures.
_MEASURED_AS = {"destripe": "denoise"}


def _measured(task: str, names: Sequence[str], kind: str = "") -> dict[str, Figures]:
    """What the standings say of candidates, in their order, to a tenth of a decibel.

    Each is compared with the first of `names` on the damages on which both were measured, in PSNR and in time.
    """
    rows = [row for row in stored()[_MEASURED_AS.get(task, task)].values() if not kind or row.kind == kind]
    first = names[0]
    cost = fmean(row.seconds(first, 10**6) for row in rows)
    found = {}
    for name in names:
        common = [row for row in rows if {first, name} <= row.figures.keys()]
        gain = fmean(row.figures[name].psnr - row.figures[first].psnr for row in common)
        ratio = sum(row.seconds(name) for row in common) / sum(row.seconds(first) for row in common)
        found[name] = Figures(round(gain, 1) + 0.0, cost * ratio)
    return found


#: Task → candidates, the strongest on the test sets first.
MEASURED: dict[str, dict[str, Figures]] = {
    task: _measured(task, names, "narrow holes" if task == "inpaint" else "")
    for task, names in _NAMES.items()
}
CANDIDATES: dict[str, tuple[str, ...]] = {task: tuple(figures) for task, figures in MEASURED.items()}

#: Task → candidates that are tried only where a budget is given that suffices for them.
SLOW: dict[str, dict[str, Figures]] = {
    "denoise": {"wnnm": Figures(0.2, 400.0), "dip": Figures(0.1, 1300.0)},
    "inpaint": {"dip": Figures(0.2, 1400.0)},
    "sr": {"dip": Figures(0.3, 3500.0)},
}
#: What tells candidates apart, by task; measurements put aside where a task is not named.
EVIDENCE: dict[str, Evidence] = {
    "deblur": "none",
    "sharpen": "none",
    # On 16 pictures of Kodak and McMaster sites put aside never spoke for another than the first, which three wanted.
    "demosaic": "none",
    "jpeg": "none",
    "sr": "coarser",
}
#: Further candidates where a noise model is not to be trusted: they learn the noise from the image, and take longer.
LEARNERS = {"denoise": {"zsn2n": Figures(-1.0, 500.0), "idr": Figures(-0.2, 1500.0)}}
#: Below this confidence they are tried.
_DOUBTFUL = 0.5
_WIDE_HOLES = _measured("inpaint", _IN_WIDE_HOLES, "wide holes")


def measured_for(problem: Problem) -> dict[str, Figures]:
    """What was measured of the candidates for such problems, the strongest first."""
    if problem.has_wide_hole():
        return _WIDE_HOLES
    return MEASURED.get(problem.task, MEASURED["restore"])


def learners_for(problem: Problem) -> dict[str, Figures]:
    """Candidates that learn the noise from the image, where the model of it is doubtful."""
    doubtful = problem.noise is not None and problem.noise.confidence < _DOUBTFUL
    return LEARNERS.get(problem.task, {}) if doubtful else {}


def figures_for(problem: Problem, seconds: float | None) -> dict[str, Figures]:
    """All candidates for a problem and a budget in seconds: those of the task, and what else there is room for.

    The latter stand before the first that they are stronger than.
    """
    figures, more = measured_for(problem), learners_for(problem)
    million_pixels = math.prod(problem.reference_shape[-2:]) / 1e6
    if seconds is not None:
        slow = SLOW.get(problem.task, {})
        room = seconds / ((1 + ALLOWANCE) * million_pixels)
        more = {**more, **{name: known for name, known in slow.items() if known.cost <= room}}
    figures, names = {**figures, **more}, list(figures)
    for name in more:
        weaker = (place for place, one in enumerate(names) if figures[one].gain < figures[name].gain)
        names.insert(next(weaker, len(names)), name)
    return {name: figures[name] for name in names}


def affordable(costs: Sequence[float], least: float) -> tuple[list[int], float]:
    """Which candidates there is room for, and the share of the picture that each may be tried on.

    Whoever is chosen, the trials cost at most `ALLOWANCE` times its run on everything, if what is tried is
    ``share ≤ ALLOWANCE minᵢ cᵢ / Σᵢ cᵢ`` of the picture, for costs cᵢ. Candidates are taken in their order as long as
    that is enough to tell them apart.

    Parameters
    ----------
    costs : sequence of float
        Of a run on everything, the preferred candidate first.
    least : float
        The share of the picture that is enough.

    Returns
    -------
    indices : list of int
        The candidates; where there is but one there are no trials.
    share : float
        At most 1.
    """
    kept, share = [0], 0.0
    for index in range(1, len(costs)):
        these = [costs[one] for one in (*kept, index)]
        possible = ALLOWANCE * min(these) / sum(these)
        if possible >= least:
            kept, share = [*kept, index], min(possible, 1.0)
    return kept, share
