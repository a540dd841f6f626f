"""Wavelet sparsity: photographs have few large coefficients, and many small ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import torch

from zeroshot.checks import require_choice, require_positive, require_whole
from zeroshot.colour import from_opponent, opponent_axes, to_opponent
from zeroshot.data_terms import L1, Huber
from zeroshot.estimate import Estimate
from zeroshot.noise import NoiseModel
from zeroshot.precision import read_together
from zeroshot.prior import Run
from zeroshot.priors.denoising import DenoisingPrior, DenoisingRun
from zeroshot.priors.sparse.wavelet.subbands import (
    Choice,
    Penalty,
    clean_threshold,
    noisy_threshold,
    penalty_value,
    shrunk,
    wiener,
)
from zeroshot.priors.sparse.wavelet.transforms import (
    CycleSpunTransform,
    Filters,
    Frame,
    OrthogonalTransform,
    UndecimatedTransform,
    WaveletTransform,
    most_levels,
)
from zeroshot.priors.sparse.wavelet.volume import VolumeWavelet
from zeroshot.problem import Problem
from zeroshot.solvers.fista import ENVELOPE, DataFidelity, FastIterativeShrinkage

Transform = Literal["orthogonal", "cycle_spun", "undecimated"]

#: Level and orientation of a subband ↦ the standard deviation of the noise in it.
BandLevel = Callable[[int, int], float]

#: Side of the sample of noise that is not white, on which its levels in the subbands are measured.
SAMPLE = 256
#: Rows and columns put round an image, by reflection, so that the periodic transforms do not join its far
#: edges.
MARGIN = 16
#: Radius of the window of local energies at every level, undecimated and decimated. Here and below,
#: benchmarks/classic.md has the values that were compared.
RADIUS = {"undecimated": 6, "cycle_spun": 3, "orthogonal": 3}
#: The same for the energies of the first result, which carry little noise.
PILOT_RADIUS = {"undecimated": 2, "cycle_spun": 1, "orthogonal": 1}
#: `chroma` where colours are missing.
CHROMA = {"demosaic": 2.0, "colorize": 2.0}
#: `strength` by task: blur takes most of the noise out of Aᵀy.
STRENGTH = {"deblur": 0.2}
#: τ at the start, in units of the image's contrast: that of the structure that is settled first.
FIRST_NOISE = 0.1
#: The least τ, half a grey level of 8-bit images, in units of the contrast.
LEAST_NOISE = 0.5 / 255
#: Share of the iterations in which τ falls.
FALLING = 0.75
#: Threshold in units of the largest slope of a robust data term, at the finest scale (see benchmarks/classic.md).
ROBUST_STRENGTH = 1.4


@dataclass(frozen=True)
class Wavelet(DenoisingPrior):
    """min over x of Σ d(A x, y) + L Σ ρ(W x), with W a Parseval frame of wavelets.

    The first sum goes over the measured values, the second over the detail coefficients; ρ is the function
    whose proximal map is soft, hard or firm thresholding at T, and L = ‖A‖² · max d″, so that T is in the
    units of the image whatever the damage.

    Denoising is direct: one shrinkage of the coefficients of y, and a second with the Wiener factors that
    the first result suggests. Every other linear operator is solved by the fast iterative
    shrinkage-thresholding algorithm. There T follows a noise level τ that falls geometrically to that of the
    measurement, at least to half a grey level of 8-bit images: coarse structure is settled first. Until τ
    has arrived, the thresholds are chosen anew in every iteration from the local energy of the coefficients
    (iterative reweighting); they are then frozen, and the problem is convex where ρ is soft. With the L1 and
    Huber data terms, which do not tell noise from outliers by their level, the thresholds are the same all
    over the image and in proportion to the slope of the data term.

    For the orthogonal transform the shrinkage is the proximal map of the penalty. For the other two, which
    are redundant, Wᵀ T(W x) stands for it, as in translation-invariant denoising.

    Parameters
    ----------
    transform : {"undecimated", "cycle_spun", "orthogonal"}
        The frame with all shifts of the wavelets, the average over `shifts` of them, or a single basis.
    wavelet : str
        An orthogonal wavelet of PyWavelets.
    levels : int
        At most; images that are small for the filters take fewer.
    penalty : {"soft", "hard", "firm"}
        ρ.
    choice : {"local", "bayes", "sure", "universal"}
        How thresholds follow from the noise: σ²/σₓ with the standard deviation σₓ of the clean coefficients
        taken from a window round each ("local") or from the subband ("bayes", BayesShrink); the minimiser of
        Stein's unbiased estimate of the risk ("sure"); σ √(2 log n) ("universal", which "sure" is taken as
        where the answer is not direct). "local" is the most accurate in denoising (see
        ``benchmarks/classic.md``).
    strength : float
        Factor on all thresholds; `for_problem` sets it to 0.2 in deblurring.
    chroma : float
        Further factor on those of the differences of colour; `for_problem` sets it to 2 in demosaicking and
        colorization. Colour images are transformed in an orthonormal opponent space.
    refinement : {"wiener", "none"}
        Whether denoising has its second pass.
    shifts : int
        For "cycle_spun".
    iterations : int
        Of the iterative scheme; in three quarters of them τ falls.
    block : int
        Iterations per step of the run.

    References
    ----------
    S. G. Chang, B. Yu, M. Vetterli: Adaptive wavelet thresholding for image denoising and compression, IEEE
    TIP 9 (2000); the same: Spatially adaptive wavelet thresholding with context modeling for image denoising,
    IEEE TIP 9 (2000). D. L. Donoho, I. M. Johnstone: Adapting to unknown smoothness via wavelet shrinkage,
    JASA 90 (1995). P.-L. Shui: Image denoising algorithm via doubly local Wiener filtering with directional
    windows in wavelet domain, IEEE SPL 12 (2005), for the second pass. A. Beck, M. Teboulle: A fast iterative
    shrinkage-thresholding algorithm for linear inverse problems, SIAM J. Imaging Sciences 2 (2009).
    J.-L. Starck, M. Elad, D. Donoho: Image decomposition via the combination of sparse representations and a
    variational approach, IEEE TIP 14 (2005), for the falling threshold. E. J. Candès, M. B. Wakin, S. Boyd:
    Enhancing sparsity by reweighted ℓ1 minimization, J. Fourier Anal. Appl. 14 (2008). U. S. Kamilov,
    E. Bostan, M. Unser: Wavelet shrinkage with consistent cycle spinning generalizes total variation
    denoising, IEEE SPL 19 (2012).
    """

    name: ClassVar[str] = "wavelet"
    summary: ClassVar[str] = (
        "wavelet sparsity: few large coefficients; denoises at once, any linear damage in seconds"
    )
    bytes_per_value: ClassVar[int] = 160  # see benchmarks/large_images.py

    transform: Transform = "undecimated"
    wavelet: str = "sym6"
    levels: int = 4
    penalty: Penalty = "soft"
    choice: Choice = "local"
    strength: float = 1.0
    chroma: float = 1.0
    refinement: Literal["wiener", "none"] = "wiener"
    shifts: int = 16
    iterations: int = 60
    block: int = 5

    def __post_init__(self) -> None:
        require_choice(self, "transform", get_args(Transform))
        require_choice(self, "penalty", get_args(Penalty))
        require_choice(self, "choice", get_args(Choice))
        require_choice(self, "refinement", ("wiener", "none"))
        require_positive(self, "strength", "chroma")
        require_whole(self, "levels", most=12)
        require_whole(self, "shifts", most=4096)
        require_whole(self, "iterations", "block")
        Filters.named(self.wavelet)

    @classmethod
    def task_defaults(cls, problem: Problem) -> dict[str, Any]:
        """`strength` and `chroma` of the task, and of measurements with fewer channels than the image."""
        fewer = problem.y.shape[1] < problem.reference_shape[1]
        return {
            "strength": STRENGTH.get(problem.task, 1.0),
            "chroma": CHROMA.get(problem.task, 2.0 if fewer else 1.0),
        }

    # --- the denoiser --------------------------------------------------------------------------------------

    def passes(self, sigma: float) -> int:
        """Two with the Wiener refinement, else one."""
        return 2 if self.refinement == "wiener" else 1

    def refine(self, noisy: torch.Tensor, estimate: torch.Tensor, sigma: float, index: int) -> torch.Tensor:
        """Shrinkage of the coefficients of `noisy`; the second time by Wiener factors from `estimate`."""
        transform, _ = self.frame_for(*noisy.shape[-2:])
        levels = [lambda level, orientation: sigma * transform.gain(level)] * noisy.shape[1]
        return self._shrunk(noisy, estimate, levels, index)

    def refine_coloured(
        self, noisy: torch.Tensor, estimate: torch.Tensor, noise: NoiseModel, index: int
    ) -> torch.Tensor:
        """The same with the level of the noise in every subband."""
        channels = noisy.shape[1]
        transform, _ = self.frame_for(*noisy.shape[-2:])
        models = noise.cautious().rotated(opponent_axes(channels)).planes(channels)
        return self._shrunk(noisy, estimate, [_levels_in(transform, model) for model in models], index)

    def _shrunk(
        self, noisy: torch.Tensor, estimate: torch.Tensor, levels: Sequence[BandLevel], index: int
    ) -> torch.Tensor:
        """Pass number `index`, given the level of the noise in the subbands of every plane."""
        height, width = noisy.shape[-2:]
        transform, frame = self.frame_for(height, width)
        source, pilot = to_opponent(noisy), to_opponent(estimate)
        result = torch.empty_like(source)
        for channel in range(source.shape[1]):
            plane = slice(channel, channel + 1)
            factor = self.strength * (self.chroma if channel else 1.0)
            extended = frame.extended(source[:, plane])
            if index == 0:
                shrunk_plane = self._thresholded(transform, extended, levels[channel], factor)
            else:
                guide = frame.extended(pilot[:, plane])
                shrunk_plane = self._wiener_filtered(transform, extended, guide, levels[channel])
            result[:, plane] = frame.crop(shrunk_plane, height, width)
        return from_opponent(result)

    def _thresholded(
        self, transform: WaveletTransform, plane: torch.Tensor, noise: BandLevel, factor: float
    ) -> torch.Tensor:
        radius = RADIUS[self.transform]

        def rule(band: torch.Tensor, level: int, orientation: int) -> torch.Tensor:
            threshold = noisy_threshold(band, noise(level, orientation), self.choice, radius)
            return shrunk(band, factor * threshold, self.penalty)

        return transform.shrink(plane, rule)

    def _wiener_filtered(
        self, transform: WaveletTransform, plane: torch.Tensor, guide: torch.Tensor, noise: BandLevel
    ) -> torch.Tensor:
        radius = PILOT_RADIUS[self.transform]
        bands: list[torch.Tensor] = []
        transform.visit(guide, lambda band, level, orientation: bands.append(band))
        remaining = iter(bands)

        def rule(band: torch.Tensor, level: int, orientation: int) -> torch.Tensor:
            return wiener(band, next(remaining), noise(level, orientation), radius)

        return transform.shrink(plane, rule)

    def frame_for(self, height: int, width: int) -> tuple[WaveletTransform, Frame]:
        """The transform for images of this size, and what is put round them."""
        filters = Filters.named(self.wavelet)
        levels = min(self.levels, most_levels(filters, height + 2 * MARGIN, width + 2 * MARGIN))
        if self.transform == "undecimated":
            return UndecimatedTransform(filters, levels), Frame.around(height, width, MARGIN, 1)
        frame = Frame.around(height, width, MARGIN, 2**levels)
        if self.transform == "cycle_spun":
            return CycleSpunTransform(filters, levels, self.shifts), frame
        return OrthogonalTransform(filters, levels), frame

    def volume_denoiser(self, spacing: float = 1.0) -> VolumeWavelet:
        """The same shrinkage of wavelets over three axes."""
        return VolumeWavelet(
            self.transform,
            self.wavelet,
            self.levels,
            self.penalty,
            self.choice,
            self.strength,
            self.chroma,
            self.refinement,
            self.shifts,
        )

    # --- every other problem -------------------------------------------------------------------------------

    @classmethod
    def answers(cls, problem: Problem) -> bool:
        """Always: it is never plugged in."""
        return True

    def supports(self, problem: Problem) -> str | None:
        """None for linear operators and the Gaussian, Poisson, Huber and L1 data terms."""
        if not problem.operator.linear:
            return f"wavelet sparsity needs a linear operator, and {problem.operator.describe()} is not"
        if not DataFidelity.supports(problem.data_term):
            name = type(problem.data_term).__name__
            return f"wavelet sparsity needs a Gaussian, Poisson, Huber or L1 data term, not {name}"
        return None

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        """The passes of the denoiser, or the iterative scheme. It uses no randomness."""
        return DenoisingRun(self, problem) if self.denoises(problem) else WaveletRun(self, problem)


def _levels_in(transform: WaveletTransform, noise: NoiseModel) -> BandLevel:
    """The standard deviation of the noise of one plane in the subbands, measured on a sample of it."""
    side = max(SAMPLE, 2**transform.levels)
    sample = noise.sample(torch.zeros(1, 1, side, side), torch.Generator().manual_seed(0))
    found: dict[tuple[int, int], float] = {}

    def measure(band: torch.Tensor, level: int, orientation: int) -> None:
        found[level, orientation] = float(band.square().mean().sqrt())

    transform.visit(sample, measure)
    return lambda level, orientation: found[level, orientation]


class WaveletRun(Run):
    """Blocks of iterations of the fast iterative shrinkage-thresholding algorithm.

    The unknown is the image with its frame; what lies on the frame is not measured.
    """

    state = ("solver", "thresholds", "iteration", "noise")

    def __init__(self, prior: Wavelet, problem: Problem) -> None:
        self.device = problem.y.device
        self.prior, self.problem = prior, problem
        self._size = problem.reference_shape[-2:]
        self._transform, self._frame = prior.frame_for(*self._size)
        self._radius = RADIUS[prior.transform]
        fidelity = DataFidelity(problem.operator, problem.y, problem.data_term, problem.counted())
        self.lipschitz = fidelity.lipschitz
        norm = max(problem.operator.norm(tuple(problem.y.shape)), 1e-6)
        self._robust = isinstance(problem.data_term, L1 | Huber)
        self._last_noise = _noise(problem) / norm
        self._first_noise = max(FIRST_NOISE * problem.largest_contrast, self._last_noise)
        self.noise = self._first_noise
        self._factor = torch.ones(1, problem.reference_shape[1], 1, 1, device=self.device)
        self._factor[:, 1:] = prior.chroma
        self._factor *= prior.strength
        #: The thresholds of all bands in the order in which the transform shows them.
        self.thresholds: list[torch.Tensor] = []
        self._frozen = False
        self.iteration = 0
        self.solver = FastIterativeShrinkage(
            _Framed(fidelity, self._frame, self._size),
            self._proximal,
            self._penalty,
            self._frame.extended(problem.initial()),
            restart="gradient",
            steps="fixed" if fidelity.bounded else "backtracking",
        )

    @torch.no_grad()
    def step(self) -> Estimate:
        """Make a block of iterations, with τ falling from one to the next."""
        for _ in range(max(1, min(self.prior.block, self.prior.iterations - self.iteration))):
            self._lower_noise()
            self.solver.advance()
            self.iteration += 1
        image = self.problem.with_known(self._frame.crop(self.solver.image, *self._size).clamp(0, 1))
        self.solver.forget()
        return Estimate(image, self.solver.objective, self.iteration)

    def _lower_noise(self) -> None:
        """τ for the next iteration; once it has arrived, the thresholds stay."""
        falling = max(1, round(FALLING * self.prior.iterations))
        progress = min(1.0, self.iteration / falling)
        self.noise = self._first_noise * (self._last_noise / self._first_noise) ** progress
        self._frozen = self.iteration > falling and bool(self.thresholds)

    def _proximal(self, point: torch.Tensor, step: float) -> torch.Tensor:
        """Wᵀ T(W ·), the thresholds scaled with the step where it is shorter than 1/L."""
        scale = step * self.lipschitz
        if not self._frozen:
            self.thresholds = []
        remaining = iter(self.thresholds)

        def rule(band: torch.Tensor, level: int, orientation: int) -> torch.Tensor:
            if self._frozen:
                threshold = next(remaining)
            else:
                threshold = self._factor * self._threshold(band, level)
                self.thresholds.append(threshold)
            return shrunk(band, threshold, self.prior.penalty, scale)

        return from_opponent(self._transform.shrink(to_opponent(point), rule))

    def _threshold(self, band: torch.Tensor, level: int) -> torch.Tensor:
        noise = self.noise * self._transform.gain(level)
        if self._robust:
            # Natural images have coefficients that double in size with the scale.
            return band.new_full((1, 1, 1, 1), ROBUST_STRENGTH * noise * 0.5**level)
        return clean_threshold(band, noise, self.prior.choice, self._radius)

    def _penalty(self, x: torch.Tensor) -> float:
        """L Σ ρ(W x) with the newest thresholds."""
        remaining = iter(self.thresholds)
        values: list[torch.Tensor] = []

        def add(band: torch.Tensor, level: int, orientation: int) -> None:
            values.append(penalty_value(band, next(remaining), self.prior.penalty))

        self._transform.visit(to_opponent(x), add)
        shifts = len(values) / (3 * self._transform.levels)
        return self.lipschitz * math.fsum(read_together(*values)) / shifts

    def shrink_step(self, factor: float) -> None:
        """Shorten the steps of the solver."""
        self.solver.shrink_step(factor)

    def findings(self) -> dict[str, Any]:
        """The noise level at which the thresholds were frozen, in units of the image."""
        return {"noise": self.noise}


class _Framed:
    """A smooth function of the image within a frame, as a function of the whole."""

    def __init__(self, fidelity: DataFidelity, frame: Frame, size: tuple[int, ...]) -> None:
        self.lipschitz = fidelity.lipschitz
        self._fidelity, self._frame, self._size = fidelity, frame, size

    def value(self, x: torch.Tensor) -> torch.Tensor:
        return self._fidelity.value(self._frame.crop(x, *self._size))

    def value_and_gradient(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        value, gradient = self._fidelity.value_and_gradient(self._frame.crop(x, *self._size))
        return value, self._frame.padded(gradient)


def _noise(problem: Problem) -> float:
    """The noise level that the thresholds answer to, on the scale of the measurement."""
    term = problem.data_term
    if isinstance(term, L1):
        return ENVELOPE
    if isinstance(term, Huber):
        return term.delta
    return max(problem.white_level(), LEAST_NOISE * problem.largest_contrast)
