"""Wavelets: photographs have few large coefficients, and many small ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import torch

from zeroshot.prior import Run, require_known_settings
from zeroshot.settings import require_choice, require_positive, require_whole
from zeroshot.solvers.fista import DataFidelity

from ..denoising import DenoisingPrior
from ..opponent import from_opponent, to_opponent
from .subbands import Choice, Penalty, noisy_threshold, shrunk, wiener
from .transforms import (
    CycleSpunTransform,
    Filters,
    Frame,
    OrthogonalTransform,
    UndecimatedTransform,
    WaveletTransform,
    most_levels,
)

if TYPE_CHECKING:
    from zeroshot.problem import Problem
    from zeroshot.stopping import StoppingRule

Transform = Literal["orthogonal", "cycle_spun", "undecimated"]

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
        words = {"transform": Transform, "penalty": Penalty, "choice": Choice}
        for name, values in {**words, "refinement": Literal["wiener", "none"]}.items():
            require_choice(self, name, get_args(values))
        require_positive(self, "strength", "chroma")
        require_whole(self, "levels", most=12)
        require_whole(self, "shifts", most=4096)
        require_whole(self, "iterations", "block")
        Filters.named(self.wavelet)

    @classmethod
    def for_problem(cls, problem: Problem, **settings: Any) -> Wavelet:
        """The defaults of the problem's task, `strength` and `chroma`, with `settings` put over them."""
        require_known_settings(cls, settings)
        fewer = problem.y.shape[1] < problem.reference_shape[1]
        chosen = {
            "strength": STRENGTH.get(problem.task, 1.0),
            "chroma": CHROMA.get(problem.task, 2.0 if fewer else 1.0),
        }
        return cls(**{**chosen, **settings})

    # --- the denoiser --------------------------------------------------------------------------------------

    def passes(self, sigma: float) -> int:
        """Two with the Wiener refinement, else one."""
        return 2 if self.refinement == "wiener" else 1

    def refine(self, noisy: torch.Tensor, estimate: torch.Tensor, sigma: float, index: int) -> torch.Tensor:
        """Shrinkage of the coefficients of `noisy`; the second time by Wiener factors from `estimate`."""
        height, width = noisy.shape[-2:]
        transform, frame = self.frame_for(height, width)
        source, pilot = to_opponent(noisy), to_opponent(estimate)
        result = torch.empty_like(source)
        for channel in range(source.shape[1]):
            plane = slice(channel, channel + 1)
            factor = self.strength * (self.chroma if channel else 1.0)
            extended = frame.extended(source[:, plane])
            if index == 0:
                shrunk_plane = self._thresholded(transform, extended, sigma, factor)
            else:
                guide = frame.extended(pilot[:, plane])
                shrunk_plane = self._wiener_filtered(transform, extended, guide, sigma)
            result[:, plane] = frame.crop(shrunk_plane, height, width)
        return from_opponent(result)

    def _thresholded(
        self, transform: WaveletTransform, plane: torch.Tensor, sigma: float, factor: float
    ) -> torch.Tensor:
        radius = RADIUS[self.transform]

        def rule(band: torch.Tensor, level: int, orientation: int) -> torch.Tensor:
            threshold = noisy_threshold(band, sigma * transform.gain(level), self.choice, radius)
            return shrunk(band, factor * threshold, self.penalty)

        return transform.shrink(plane, rule)

    def _wiener_filtered(
        self, transform: WaveletTransform, plane: torch.Tensor, guide: torch.Tensor, sigma: float
    ) -> torch.Tensor:
        radius = PILOT_RADIUS[self.transform]
        bands: list[torch.Tensor] = []
        transform.visit(guide, lambda band, level, orientation: bands.append(band))
        remaining = iter(bands)

        def rule(band: torch.Tensor, level: int, orientation: int) -> torch.Tensor:
            return wiener(band, next(remaining), sigma * transform.gain(level), radius)

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

    # --- every other problem -------------------------------------------------------------------------------

    def supports(self, problem: Problem) -> str | None:
        """None for linear operators and the Gaussian, Poisson, Huber and L1 data terms."""
        if not problem.operator.linear:
            return f"wavelet sparsity needs a linear operator, and {problem.operator.describe()} is not"
        if not DataFidelity.supports(problem.data_term):
            name = type(problem.data_term).__name__
            return f"wavelet sparsity needs a Gaussian, Poisson, Huber or L1 data term, not {name}"
        return None

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        """Begin a run: the passes of the denoiser, or the iterative scheme. It uses no randomness."""
        from .run import WaveletRun

        reason = self.supports(problem)
        if reason is not None:
            raise ValueError(reason)
        return super().start(problem, generator) if self._is_direct(problem) else WaveletRun(self, problem)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """After the last pass of the denoiser, or after `iterations`."""
        from zeroshot.stopping import MaxIterations

        if self._is_direct(problem):
            return super().default_stopping(problem)
        return MaxIterations(self.iterations)
