"""Nonlocally centralised sparse coding: patches coded near what patches like them are coded as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from zeroshot.data_terms import Gaussian, Poisson
from zeroshot.operators.mosaic import Mosaic
from zeroshot.operators.operator import Operator
from zeroshot.prior import Prior, Run
from zeroshot.priors.sparse.ncsr.denoising import LEVELS, CentralisedDenoisingRun, rounds_at
from zeroshot.priors.sparse.ncsr.restoration import CentralisedRestorationRun
from zeroshot.priors.sparse.ncsr.settings import CentralisedSparseSettings, Colour
from zeroshot.priors.warm_start import first_image
from zeroshot.problem import Problem
from zeroshot.stopping import MaxIterations, StoppingRule

#: Tasks in which the eye asks for a sharp luminance only: of a colour image the chroma is left as it is first
#: estimated.
LUMINANCE_TASKS = ("sr", "deblur")

#: Noise above which restoration takes half the rounds.
STRONG_NOISE = 4 / 255
#: Rounds in demosaicking, which begin with an image that is nearly right.
MOSAIC_ROUNDS = 2


@dataclass(frozen=True)
class NonlocallyCentralizedSparse(CentralisedSparseSettings, Prior):
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
        fewer channels are measured than restored: later rounds then begin to smooth.
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
    initial : {"wavelet", "tv", "huber_tv", "tgv"} or None
        The name of the prior whose solution is the first image; None: the operator's first estimate. `for_problem`
        sets "wavelet" in demosaicking. Not for denoising.

    References
    ----------
    W. Dong, L. Zhang, G. Shi, X. Li: Nonlocally centralized sparse representation for image restoration,
    IEEE Transactions on Image Processing 22 (2013).
    """

    name: ClassVar[str] = "ncsr"
    summary: ClassVar[str] = (
        "nonlocally centralised sparse coding: sharp edges and texture that repeats; any linear damage"
    )
    bytes_per_value: ClassVar[int] = 110  # see benchmarks/large_images.py
    least_bytes: ClassVar[int] = 1000 * 2**20

    @classmethod
    def task_defaults(cls, problem: Problem) -> dict[str, Any]:
        """Fewer rounds where there is noise, or where fewer channels are measured than restored."""
        noisy = problem.sigma is not None and problem.sigma > STRONG_NOISE
        fewer = problem.y.shape[1] < problem.reference_shape[1]
        if isinstance(problem.operator, Mosaic):
            return {"initial": "wavelet", "rounds": MOSAIC_ROUNDS}
        return {"rounds": 4} if (noisy or fewer) and not problem.is_denoising else {}

    def supports(self, problem: Problem) -> str | None:
        """None for linear operators with Gaussian noise, and for denoising with Poisson noise as well."""
        if not problem.operator.linear:
            return f"ncsr needs a linear operator, and {problem.operator.describe()} is not"
        term = type(problem.data_term).__name__
        if isinstance(problem.data_term, Poisson):
            return None if problem.is_denoising else f"ncsr with the data term {term} can only denoise"
        if not isinstance(problem.data_term, Gaussian):
            return f"ncsr needs the data term Gaussian (or Poisson for denoising), got {term}"
        return None

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        """The rounds of denoising or the iterations of restoration; the generator seeds the clustering."""
        if problem.is_denoising:
            return CentralisedDenoisingRun(self, problem, generator)
        channels: Colour = "luminance" if self.restores_luminance(problem) else "all"
        first = first_image(self.initial, problem, generator)
        return CentralisedRestorationRun(self, problem, channels, first, generator)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """After the last round; the run then says that it has finished."""
        if not problem.is_denoising:
            return super().default_stopping(problem)
        # The noise level may have to be estimated, which the run does: these are the most rounds.
        return MaxIterations(max(rounds_at(level.up_to, self) for level in LEVELS))

    def restores_luminance(self, problem: Problem) -> bool:
        """Whether only the luma of the problem's image is iterated on."""
        colour = self.colour
        if colour is None:
            colour = "luminance" if problem.task in LUMINANCE_TASKS else "all"
        if colour == "all" or not _counts_channels_alike(problem):
            return False
        return treats_channels_alike(problem.operator, problem.reference_shape)


def _counts_channels_alike(problem: Problem) -> bool:
    """Whether a pixel that is measured, or held out, is so in all its channels."""
    for mask in (problem.measured, problem.held_out):
        if mask is not None and not torch.equal(mask, mask[:, :1].expand_as(mask)):
            return False
    return True


@torch.no_grad()
def treats_channels_alike(operator: Operator, shape: tuple[int, ...]) -> bool:
    """Whether A damages every channel of a three-channel image of `shape` in the same way, on its own."""
    if shape[1] != 3:
        return False
    generator = torch.Generator().manual_seed(0)
    image = torch.rand((shape[0], 1, *shape[2:]), generator=generator).to(operator.device)
    weights = image.new_tensor((1.0, -0.5, 0.25)).view(1, 3, 1, 1)
    try:
        single, together = operator(image), operator(image * weights)
    except (ValueError, RuntimeError):
        return False
    if single.shape[1] != 1 or together.shape != (single.shape[0], 3, *single.shape[2:]):
        return False
    return torch.allclose(together, single * weights, atol=1e-5)
