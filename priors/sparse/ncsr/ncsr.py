"""The prior: which settings there are, which run a problem takes, and when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import torch

from zeroshot.checks import require_choice, require_positive, require_whole
from zeroshot.data_terms import Gaussian, Poisson
from zeroshot.operators.identity import Identity
from zeroshot.prior import Prior, Run, require_known_settings
from zeroshot.priors.sparse.ncsr.colour import treats_channels_alike
from zeroshot.priors.sparse.ncsr.denoising import DenoisingRun, level_of
from zeroshot.priors.sparse.ncsr.restoration import RestorationRun

if TYPE_CHECKING:
    from zeroshot.problem import Problem
    from zeroshot.stopping import StoppingRule

Colour = Literal["luminance", "all"]
#: Tasks in which the eye asks for a sharp luminance only: of a colour image the chroma is left as it is first
#: estimated.
LUMINANCE_TASKS = ("sr", "deblur")

#: Noise above which restoration takes half the rounds.
STRONG_NOISE = 4 / 255


@dataclass(frozen=True)
class NonlocallyCentralizedSparse(Prior):
    """min over α of ½‖y − A x(α)‖² + Σᵢ Σⱼ λᵢⱼ |αᵢⱼ − βᵢⱼ|, αᵢ the code of patch i over its cluster's basis.

    The patches of the current image are clustered by their high frequencies, and the principal components of
    each cluster are the basis that its patches are coded over. βᵢ is what the patches most like patch i say
    its code should be: the weighted mean of theirs. The difference α − β, the sparse coding noise, is shrunk
    by thresholds that fall with its standard deviation δ among the similar patches, estimated for each
    coefficient. Bases, similar patches and thresholds are renewed from the better image in every round.

    Denoising repeats three shrinkages a round by τ = c √2 σ² / δ, where σ is what is left of the noise; before
    each a fiftieth of the measurement is put back. For every other linear operator a step towards the
    measurement, (AᵀA + μ)⁻¹ Aᵀ(y − A x), takes turns with a shrinkage by τ = κ √2 σ² / (μ δ).

    Parameters
    ----------
    patch : int or None
        Side of a patch. None: 6 to 9, by the noise level, in denoising, else 6. At most the image's shorter
        side is taken.
    clusters : int
        Clusters to begin with; small ones are dissolved.
    similar : int or None
        Similar patches a patch, itself included. None: 13 to 20, by the noise level, in denoising, else 20.
    radius : int
        Reach of the search for similar patches, in pixels to each side.
    stride : int
        Distance between the patches that are restored, in pixels; at most the side of one.
    strength : float or None
        c in denoising, by default 0.56 to 0.64 by the noise level; κ for other operators, by default 0.15.
    rounds : int or None
        How often bases and similar patches are renewed. None: 3 or 4, by the noise level, in denoising, else
        8. For other operators `for_problem` sets 4 where the noise is known to be above 4 grey levels, or
        fewer channels are measured than looked for: later rounds then begin to smooth.
    inner : int
        Iterations a round, for operators other than the identity.
    gradients : int
        Conjugate-gradient iterations of each step towards the measurement.
    assumed_noise : float
        The standard deviation of the noise is taken to be at least this, on the [0, 1] scale, for operators
        other than the identity: without any the image would not be shrunk at all.
    colour : {"luminance", "all"} or None
        What of a colour image is restored where the operator treats its channels alike: the luma, the chroma
        staying as in the first estimate, or the three channels together. None: "luminance" for
        super-resolution and deblurring, as in the paper, else "all".
    block : int
        Iterations per step of the run, for operators other than the identity.

    References
    ----------
    W. Dong, L. Zhang, G. Shi, X. Li: Nonlocally centralized sparse representation for image restoration,
    IEEE Transactions on Image Processing 22 (2013).
    """

    name: ClassVar[str] = "ncsr"
    summary: ClassVar[str] = (
        "nonlocally centralised sparse coding: sharp edges and texture that repeats; any linear damage"
    )

    patch: int | None = None
    clusters: int = 70
    similar: int | None = None
    radius: int = 20
    stride: int = 2
    strength: float | None = None
    rounds: int | None = None
    inner: int = 20
    gradients: int = 5
    assumed_noise: float = 0.7 / 255
    colour: Colour | None = None
    block: int = 5

    #: Rounds for operators other than the identity, where `rounds` is None.
    _general_rounds: ClassVar[int] = 8

    def __post_init__(self) -> None:
        require_whole(self, "patch", least=2, most=32, none="allowed")
        require_whole(self, "similar", least=2, none="allowed")
        require_whole(self, "rounds", none="allowed")
        require_whole(self, "clusters", "stride", "radius", "inner", "gradients", "block")
        require_positive(self, "strength", none="allowed")
        require_positive(self, "assumed_noise")
        require_choice(self, "colour", get_args(Colour), none="allowed")

    @classmethod
    def for_problem(cls, problem: Problem, **settings: Any) -> NonlocallyCentralizedSparse:
        """The defaults, which depend on the problem where they are None, with `settings` put over them."""
        require_known_settings(cls, settings)
        noisy = problem.sigma is not None and problem.sigma > STRONG_NOISE
        fewer = problem.y.shape[1] < problem.reference_shape[1]
        if (noisy or fewer) and not _is_denoising(problem):
            settings = {"rounds": 4, **settings}
        return cls(**settings)

    def supports(self, problem: Problem) -> str | None:
        """None for linear operators with Gaussian noise, and for denoising with Poisson noise as well."""
        if not problem.operator.linear:
            return f"ncsr needs a linear operator, and {problem.operator.describe()} is not"
        term = type(problem.data_term).__name__
        if isinstance(problem.data_term, Poisson):
            return None if _is_denoising(problem) else f"ncsr with the data term {term} can only denoise"
        if not isinstance(problem.data_term, Gaussian):
            return f"ncsr needs the data term Gaussian (or Poisson for denoising), got {term}"
        return None

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        """Begin a run; the generator seeds the clustering."""
        reason = self.supports(problem)
        if reason is not None:
            raise ValueError(reason)
        run = DenoisingRun if _is_denoising(problem) else RestorationRun
        return run(self, problem, generator)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """After the last round; the run then says that it has finished."""
        from zeroshot.stopping import MaxIterations

        if _is_denoising(problem):
            # The noise level may have to be estimated, which the run does: these are the most rounds.
            return MaxIterations(max(self.rounds_of(0.0), self.rounds_of(1.0)))
        return MaxIterations(self.iterations)

    @property
    def iterations(self) -> int:
        """The iterations of a run for operators other than the identity."""
        return self.inner * (self._general_rounds if self.rounds is None else self.rounds)

    def rounds_of(self, sigma: float) -> int:
        """The rounds that denoising at this noise level takes."""
        return level_of(sigma).rounds if self.rounds is None else self.rounds

    def restores_luminance(self, problem: Problem) -> bool:
        """Whether only the luma of the problem's image is iterated on."""
        colour = self.colour
        if colour is None:
            colour = "luminance" if problem.task in LUMINANCE_TASKS else "all"
        if colour == "all" or not _counts_channels_alike(problem):
            return False
        return treats_channels_alike(problem.operator, problem.reference_shape)


def _is_denoising(problem: Problem) -> bool:
    """Whether nothing but noise is wrong with the image."""
    complete = problem.measured is None and problem.held_out is None
    return complete and type(problem.operator) is Identity


def _counts_channels_alike(problem: Problem) -> bool:
    """Whether a pixel that is measured, or held out, is so in all its channels."""
    for mask in (problem.measured, problem.held_out):
        if mask is not None and not torch.equal(mask, mask[:, :1].expand_as(mask)):
            return False
    return True
