"""Plug-and-play priors: any denoiser as the prior of every linear problem."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from zeroshot.checks import require_choice, require_number, require_positive, require_whole
from zeroshot.data_terms import L1, Gaussian, Huber
from zeroshot.operators.identity import Identity
from zeroshot.operators.mask import Mask
from zeroshot.prior import Prior
from zeroshot.priors.denoiser import Denoiser
from zeroshot.priors.plug_and_play.run import PlugAndPlayRun, title
from zeroshot.priors.total_variation.chroma import chosen_chroma
from zeroshot.priors.total_variation.tv import TotalVariation, approximate_solution
from zeroshot.priors.warm_start import BEGINNINGS, Beginning, FirstImage, first_image, quick_look
from zeroshot.problem import Problem
from zeroshot.registry import prior_class
from zeroshot.solvers.plug_and_play import SCHEMES, Denoise, Scheme

#: `chroma` where fewer channels are measured than sought, and it is not chosen.
FEWER_CHANNELS = 2.0
#: What differs for a noisy mosaic of a shrunk image or the like: it measures one value of twelve, and what is not
#: measured spreads slowly, from iteration to iteration (see benchmarks/classic.md).
SEVERAL_DAMAGES: dict[str, Any] = {"iterations": 24, "weight": 0.12}
#: The last level there, as a multiple of the noise.
SEVERAL_DAMAGES_END = 1.2
#: What differs for mosaics with noise above `STRONG_NOISE`, which wavelets leave more of than what they save.
STRONG_NOISE = 10 / 255
NOISY_MOSAIC: dict[str, Any] = {"initial": None, "iterations": 8, "sigma_start": 10 / 255, "chroma": None}
#: What differs where holes are wide, see :mod:`~zeroshot.priors.warm_start`.
WIDE_HOLES: dict[str, Any] = {"initial": "wavelet", "sigma_start": 20 / 255, "iterations": 20}
#: What differs for a JPEG, whose colours are quantised more coarsely than its brightness; and the first and the last
#: level as multiples of what quantisation did to the pixels.
QUANTISED: dict[str, Any] = {"iterations": 4, "weight": 0.3, "chroma": 3.0}
START, END = 1.4, 0.7
#: What differs from the defaults, by task; benchmarks/classic.md says how it was chosen.
_BY_TASK: dict[str, dict[str, Any]] = {
    "deblur": {"initial": "tv", "iterations": 8},
    "sr": {"initial": "tv", "iterations": 8, "sigma_start": 20 / 255, "sigma_least": 5 / 255},
    # From bilinear demosaicking denoisers do not find out of the zippers of its edges, and lose up to 9 dB. Wavelets
    # do, and leave little to be denoised.
    "demosaic": {"initial": "wavelet", "iterations": 4, "sigma_start": 4 / 255, "chroma": 2.0},
    # From a smooth first estimate a mosaic of a shrunk image ends 1 dB lower.
    "restore": {"initial": "tv", "iterations": 8, "sigma_start": 20 / 255},
    # ADMM restores more than HQS here; elsewhere the latter is safer, as it goes on from images it can rely on.
    # Known pixels that are noisy need the full weight: with 0.23, ADMM leaves three quarters of their noise.
    "inpaint": {
        "scheme": "admm",
        "iterations": 24,
        "sigma_start": 50 / 255,
        "sigma_least": 5 / 255,
        "weight": 1.0,
    },
}
#: What differs in regularisation by denoising where the pixels are measured as they are, see there.
DIRECTLY_MEASURED: dict[str, Any] = {"share": 0.2, "weight": 0.48}
#: What differs where outliers are expected, which a large first level would take for the image: a measurement
#: counts as one where it is further from the denoised image than about σ² / (λ · scale of the noise).
OUTLIERS: dict[str, Any] = {"sigma_start": 15 / 255, "sigma_least": 5 / 255, "weight": 1.0}


@dataclass(frozen=True)
class PlugAndPlay(Prior):
    """min over x of Σ d(A x, y) + R(x), where all that is known of R is its denoiser f_σ.

    A splitting scheme alternates the data step with the denoiser, whose noise level σ falls from iteration to
    iteration, from `sigma_start` to `sigma_end` in equal ratios, while the weight ρ = weight / σ² of the
    deviation between the two grows. d is the negative log-likelihood of the noise. What comes out in the end
    is what the denoiser returned last, for RED the data step; where the measurement is free of noise and A is
    a mask, a mosaic or the like, it is moved to the nearest image that has exactly this measurement.

    Parameters
    ----------
    denoiser : str, Denoiser or callable
        The name of a registered denoiser, a configured one, or a function (noisy, sigma) → image on tensors
        (N, C, H, W) and with sigma, the standard deviation of the noise, on the [0, 1] scale.
    scheme : {"hqs", "admm", "red"}
        Half-quadratic splitting, ADMM, or regularisation by denoising; see
        :mod:`zeroshot.solvers.plug_and_play`.
    iterations : int
        How often the denoiser is called; a single call has the last level.
    sigma_start : float
        The noise level of the first call.
    sigma_end : float or None
        That of the last; None: `share` of the noise level of the measurement, but not less than `sigma_least`.
    sigma_least : float
        The least `sigma_end` that is chosen where None is given.
    share : float
        The noise left for the last call of the denoiser, in units of that of the measurement, where `sigma_end`
        is None.
    weight : float
        The weight of the prior against the data term, λ in ρ = λ / σ².
    constant : float
        The share of the iterations, at the end, that all have the level `sigma_end`.
    chroma : float or None
        The denoiser sees the image with the differences of its channels from their mean divided by this, so
        that they are denoised that many times more. None takes the square root of the factor at which total
        variation predicts held-out measurements best: denoisers know by themselves that colours vary less.
        `for_problem` sets 2 where fewer channels are measured than sought, and None for mosaics with strong noise.
    initial : {"wavelet", "tv", "huber_tv", "tgv"} or None
        The name of the prior whose solution is the first image; None: the operator's first estimate, as
        wherever that prior cannot solve the problem. `for_problem` sets "wavelet" in demosaicking without strong noise
        and where holes are wide, and "tv" for enlargement, deblurring and compositions of damages.

    References
    ----------
    K. Zhang, W. Zuo, S. Gu, L. Zhang: Learning deep CNN denoiser prior for image restoration, CVPR 2017.
    K. Zhang, Y. Li, W. Zuo, L. Zhang, L. Van Gool, R. Timofte: Plug-and-play image restoration with deep
    denoiser prior, IEEE TPAMI 44 (2022), for the continuation of the noise level. Those of the schemes are in
    :mod:`zeroshot.solvers.plug_and_play`.
    """

    name: ClassVar[str] = "pnp"
    summary: ClassVar[str] = "plug and play: any denoiser as the prior for any linear damage"
    TASK_DEFAULTS: ClassVar[Mapping[str, Mapping[str, Any]]] = _BY_TASK
    # The measured peak with bm3d, that of the first image included: see benchmarks/large_images.py.
    bytes_per_value: ClassVar[int] = 800

    denoiser: str | Denoiser | Denoise = "bm3d"
    scheme: Scheme = "hqs"
    iterations: int = 16
    sigma_start: float = 49 / 255
    sigma_end: float | None = None
    sigma_least: float = 1 / 255
    share: float = 1.0
    weight: float = 0.23
    constant: float = 0.0
    chroma: float | None = 1.0
    initial: Beginning | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.denoiser, str | Denoiser) or callable(self.denoiser)):
            kind = type(self.denoiser).__name__
            raise ValueError(
                f"denoiser must be a name, a DenoisingPrior or a function (noisy, sigma) → image, got {kind}"
            )
        require_choice(self, "scheme", SCHEMES)
        require_choice(self, "initial", BEGINNINGS, none="allowed")
        require_positive(self, "sigma_start", "sigma_least", "share", "weight")
        require_positive(self, "sigma_end", "chroma", none="allowed")
        require_whole(self, "iterations")
        require_number(self, "constant", most=1)

    @classmethod
    def task_defaults(cls, problem: Problem) -> dict[str, Any]:
        """Those of the task, of measurements with fewer channels than the image, of strong noise, and of outliers.

        In the denoising of white Gaussian noise the denoiser is called once, at the level of the noise: it is the
        proximal map of its R, and with it the solution.
        """
        found = super().task_defaults(problem)
        if cls.scheme == "hqs" and problem.is_denoising and problem.noise is None:
            found |= {"iterations": 1} if isinstance(problem.data_term, Gaussian) else {}
        if problem.y.shape[1] < problem.reference_shape[1]:
            found = {"chroma": FEWER_CHANNELS, **found}
            if problem.task == "restore" and problem.sigma:
                end = SEVERAL_DAMAGES_END * problem.sigma
                found |= {**SEVERAL_DAMAGES, "sigma_end": end, "sigma_start": max(end, found["sigma_start"])}
        if problem.task == "demosaic" and problem.sigma is not None and problem.sigma > STRONG_NOISE:
            found |= NOISY_MOSAIC
        if cls.scheme == "hqs" and problem.has_wide_hole():
            found |= WIDE_HOLES
        if isinstance(problem.data_term, L1 | Huber):
            found |= OUTLIERS
        if problem.task == "jpeg" and problem.sigma:
            level = problem.sigma / problem.largest_contrast
            found = {**QUANTISED, "sigma_start": START * level, "sigma_end": END * level, **found}
        return found

    def supports(self, problem: Problem) -> str | None:
        """None for linear operators and data terms with a proximal map, where the denoiser takes such images."""
        if not problem.operator.linear:
            return f"plug and play needs a linear operator, and {problem.operator.describe()} is not"
        if not problem.data_term.has_prox:
            name = type(problem.data_term).__name__
            return f"plug and play needs a data term with a proximal map, and {name} has none"
        try:
            denoiser = self._configured(problem)
        except ValueError as error:
            return str(error)
        return denoiser.supports(_denoising(problem)) if isinstance(denoiser, Denoiser) else None

    def memory(self, problem: Problem) -> int | None:
        """That of the iterations, or of the denoiser where it is called once; of a function it is not known."""
        if self.iterations != 1:
            return super().memory(problem)
        if self.supports(problem) is not None:
            return None
        denoiser = self._configured(problem)
        return denoiser.memory(_denoising(problem)) if isinstance(denoiser, Denoiser) else None

    def start(self, problem: Problem, generator: torch.Generator) -> PlugAndPlayRun:
        """The run; the only randomness is in the choice of `chroma`, and that of the prior it begins with."""
        prior = self if self.chroma is not None else replace(self, chroma=_chroma(problem, generator))
        if problem.is_denoising and self.initial is None:
            # Not clipped: noise that leaves the range is noise like any other.
            first, shown = FirstImage(problem.y), quick_look(problem).first
        else:
            first = shown = first_image(self.initial, problem, generator)
        return PlugAndPlayRun(prior, problem, self._configured(problem), first, shown)

    def settings(self) -> dict[str, Any]:
        """Every hyper-parameter by name; a function by its own name, as its address is never the same."""
        found = super().settings()
        if not isinstance(self.denoiser, str | Denoiser):
            found["denoiser"] = title(self.denoiser)
        return found

    def _configured(self, problem: Problem) -> Denoiser | Denoise:
        """The denoiser with its settings."""
        if not isinstance(self.denoiser, str):
            return self.denoiser
        family = prior_class(self.denoiser)
        if not issubclass(family, Denoiser):
            raise ValueError(f"the prior {self.denoiser!r} is not a denoiser and cannot be plugged in")
        denoiser = family.for_problem(_denoising(problem))
        return denoiser if self.iterations == 1 else denoiser.repeated()

    def levels(self, noise: float) -> list[float]:
        """The noise level of every call of the denoiser, for a measurement with noise of level `noise`."""
        end = max(self.share * noise, self.sigma_least) if self.sigma_end is None else self.sigma_end
        # A measurement that is noisier than the first level has nothing to continue from.
        start = max(self.sigma_start, end) if self.sigma_end is None else self.sigma_start
        if self.iterations == 1:
            return [end]
        falling = max(round(self.iterations * (1 - self.constant)), 1)
        ratio = (end / start) ** (1 / max(falling - 1, 1))
        levels = [start * ratio**index for index in range(falling)]
        if falling == 1 < self.iterations:
            levels = [end]
        return levels + [end] * (self.iterations - falling)


@dataclass(frozen=True)
class RegularisationByDenoising(PlugAndPlay):
    """min over x of Σ d(A x, y) + (ρ/2) xᵀ(x − f_σ(x)), with ρ = weight / σ².

    Its gradient is that of the data term plus ρ (x − f_σ(x)) wherever f is a symmetric map that scales with
    the brightness, and near enough for practical denoisers. The level falls to `sigma_end` first, as in
    :class:`PlugAndPlay`, and stays there.

    Where pixels are measured as they are, with noise of level s, the solution is x = (y + w f_σ(x)) / (1 + w)
    with w = weight · s²/σ². Of the noise 1/(1 + w) stays, so that w must be large; and f, which x has passed
    through, must reckon with that rest and not with s, or it smooths again and again. `for_problem` sets
    σ = s/5 and w = 12 there. Blur and enlargement leave less noise in the image than in the measurement, and
    take the weight of plug and play.

    Parameters
    ----------
    denoiser, scheme, iterations, sigma_start, sigma_end, sigma_least, share, weight, constant, chroma, initial
        As for :class:`PlugAndPlay`.

    References
    ----------
    Y. Romano, M. Elad, P. Milanfar: The little engine that could: regularization by denoising (RED), SIAM
    Journal on Imaging Sciences 10 (2017). E. T. Reehorst, P. Schniter: Regularization by denoising:
    clarifications and new interpretations, IEEE Transactions on Computational Imaging 5 (2019).
    """

    name: ClassVar[str] = "red"
    summary: ClassVar[str] = (
        "regularisation by denoising: any denoiser as an explicit penalty for any linear damage"
    )

    scheme: Scheme = "red"
    constant: float = 0.5

    @classmethod
    def task_defaults(cls, problem: Problem) -> dict[str, Any]:
        """Those of plug and play, whose scheme this prior has of its own, and what noisy pixels need."""
        found = {name: value for name, value in super().task_defaults(problem).items() if name != "scheme"}
        if isinstance(problem.operator, Identity | Mask) and not isinstance(problem.data_term, L1 | Huber):
            found |= DIRECTLY_MEASURED
        return found


def _chroma(problem: Problem, generator: torch.Generator) -> float:
    """The root of what total variation wants of its `chroma`, where that can solve the problem.

    The measurements held out of noise-free mosaics do not tell the factors of a denoiser apart.
    """
    if TotalVariation().supports(problem) is not None:
        return FEWER_CHANNELS
    return math.sqrt(chosen_chroma(problem, generator, approximate_solution))


def _denoising(problem: Problem) -> Problem:
    """The problem that the denoiser is given, with an image of the size that is sought."""
    y = problem.y.new_zeros(problem.reference_shape)
    return Problem(y, Identity(), Gaussian(), sigma=PlugAndPlay.sigma_start, task="denoise")
