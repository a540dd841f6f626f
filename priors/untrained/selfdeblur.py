"""SelfDeblur: the image and the blur kernel from two untrained networks that are fitted together."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import torch

from zeroshot.checks import is_whole, require_choice, require_number, require_positive, require_whole
from zeroshot.operators import Blur
from zeroshot.prior import CleanRun, Prior, Run
from zeroshot.priors.untrained.selfdeblur_run import SelfDeblurRun
from zeroshot.problem import Problem
from zeroshot.registry import prior_class
from zeroshot.stopping import Finished, StoppingRule

#: The priors that restore the picture with the kernel.
FINISHES = ("pnp", "tv", "wavelet")
#: The least side of a picture, in pixels.
_LEAST_SIDE = 16


@dataclass(frozen=True)
class SelfDeblur(Prior):
    """``min over θ, φ of ‖k(φ) ∗ x(θ) − y − σₜ ε‖²`` for an hourglass x(θ) and a fully connected network k(φ).

    It begins at the kernel that the problem has: the one that was found from the picture, or that was told. The
    softmax at the end of the kernel's network keeps its weights positive and their sum 1. The hourglass reads, beside
    noise, the image of small total variation that goes with the first kernel. First the image alone is
    fitted, then both; meanwhile the noise that is added to the measurement, ε anew at each step, falls from `noise`
    to 0, so that coarse structure settles before fine one. What lies beyond the border is fitted with the picture, and
    what is clipped, hidden or held out is not looked at. It ends where the kernel has settled.

    Grey values of at most `part` × `part` pixels, those with the most edges, are fitted; the whole picture is then
    restored by another prior with the new kernel. Where that was all of the picture, the result is the mean of this and
    of what the hourglass has drawn on average since no noise is added: both err, and not in the same places. Colours
    are those of the other prior. Where it was a part, the kernel is the mean of the first and the new one. A kernel
    with which the picture's gradients are much less sparse than with the first (see
    :func:`zeroshot.kernels.sharp_image.restored_sparsity`) is not believed, and the first stands.

    Parameters
    ----------
    channels : tuple of int
        Of the hourglass, from the finest scale to the coarsest.
    hidden : int
        Units of the hidden layer of the kernel's network.
    margin : int
        Pixels by which the kernel may grow at every side.
    iterations : int
        The most steps of the fit.
    warm_up : int
        Steps with the kernel as it is.
    learning_rate, kernel_learning_rate : float
        Of Muon on the hourglass, and of Adam on the kernel's network.
    noise : float
        The standard deviation of the noise that is added at first, where white is 1.
    perturbation : float
        Standard deviation of the noise that is added to the input of the hourglass.
    averaging : float
        Weight of the past in the average over kernels that is the result.
    settled : float
        The fit ends where the kernel has changed by no more than this, as 1 less the correlation, in 25 steps.
    part : int
        The longest side of what is fitted, in pixels.
    finish : {"pnp", "tv", "wavelet"}
        The prior that restores the picture with the kernel.
    budget : float or None
        Seconds that the run may take. Set by ``seconds=``.

    References
    ----------
    D. Ren, K. Zhang, Q. Wang, Q. Hu, W. Zuo: Neural blind deconvolution using deep priors, CVPR 2020, who begin
    anywhere and return the network's image. Falling noise: as in self-diffusion and DeblurSDI (2025).
    """

    name: ClassVar[str] = "selfdeblur"
    summary: ClassVar[str] = (
        "blind deblurring by two untrained networks, one of the image and one of the kernel"
    )

    channels: tuple[int, ...] = (8, 16, 32, 32, 32)
    hidden: int = 1000
    margin: int = 2
    iterations: int = 400
    warm_up: int = 120
    learning_rate: float = 0.01
    kernel_learning_rate: float = 1e-5
    noise: float = 0.02
    perturbation: float = 0.03
    averaging: float = 0.98
    settled: float = 5e-4
    part: int = 255
    finish: str = "tv"
    budget: float | None = None

    def __post_init__(self) -> None:
        given = tuple(self.channels) if isinstance(self.channels, list | tuple) else ()
        if not given or not all(is_whole(one) and one >= 1 for one in given):
            raise ValueError(f"channels must be positive whole numbers, one a scale, got {self.channels!r}")
        object.__setattr__(self, "channels", tuple(int(one) for one in given))
        require_whole(self, "hidden", "iterations", "part")
        require_whole(self, "margin", "warm_up", least=0)
        require_positive(self, "learning_rate", "kernel_learning_rate")
        require_positive(self, "budget", none="allowed")
        require_number(self, "noise", "perturbation", "settled")
        require_number(self, "averaging", below=1)
        require_choice(self, "finish", FINISHES)

    def supports(self, problem: Problem) -> str | None:
        """None for one picture blurred by one kernel, and for pictures in which no blur was found."""
        if problem.is_clean and problem.kernel is not None:
            return None
        if not isinstance(problem.operator, Blur):
            return (
                f"{self.name} fits one blur kernel, and {problem.operator.describe()} is none; take tv or pnp"
            )
        if problem.reference_shape[0] != 1:
            return f"{self.name} fits its networks to one image; give the images of a batch one by one"
        height, width = problem.y.shape[-2:]
        if min(height, width) < _LEAST_SIDE:
            return f"the image is too small for networks: {height} × {width}, needs {_LEAST_SIDE} × {_LEAST_SIDE}"
        return None

    def memory(self, problem: Problem) -> int | None:
        """That of the prior that restores, and of networks for a part of the picture."""
        rest = prior_class(self.finish).for_problem(problem).memory(problem)
        fitted = min(self.part**2, problem.y.shape[-2] * problem.y.shape[-1])
        return None if rest is None else rest + fitted * (950 + 84 * max(self.channels))

    def within(self, seconds: float) -> SelfDeblur:
        return dataclasses.replace(self, budget=seconds)

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        return CleanRun(problem) if problem.is_clean else SelfDeblurRun(self, problem, generator)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """None: the run ends by itself."""
        return Finished()
