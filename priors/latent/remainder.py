"""What the measurements say of the image beyond what the generator makes."""

from __future__ import annotations

import math

import torch

from zeroshot.data_terms import Gaussian
from zeroshot.priors.filters.fourier import cosine_transform, inverse_cosine_transform
from zeroshot.problem import Problem
from zeroshot.solvers.conjugate_gradients import conjugate_gradients

#: Variance of the differences of colours beside that of the grey values, in photographs about.
_CHROMA = 0.1
#: Noise that every measurement is taken to have, as a share of the variance of the remainder: a grey level or so.
_FLOOR = 1e-4
#: Steps of conjugate gradients where the last solution is known, and where none is.
_STEPS, _FIRST_STEPS = 15, 40


class SmoothRemainder:
    """x ↦ x + C Aᵀ (A C Aᵀ + s²)⁻¹ (y − A x): the misfit as A makes it of the smoothest remainder.

    Before that x is brought nearer to its mean colour m, m + `detail` · (x − m). As the map is affine, the result is
    a mixture of the completed image and of the measurements' smoothest completion: the most probable image shows
    details as if they were certain, and mixed in proportion to how certain they are it is nearer to the truth.

    The remainder, the image less what the generator makes, is taken for a Gaussian field of covariance C with the
    power spectrum 1/f² of photographs; s² is the variance of the noise beside that of the field. Without noise the
    result has the measurements y, and what is not measured is the generator's, moved along smoothly: the means of
    the blocks in super-resolution, the tone of the rim around a hole, the grey of the colours.

    The field's variance is what the misfit has beyond the noise; where noise explains it, nothing is added.
    Each call begins with the solution of the last, as images change little from step to step.

    Parameters
    ----------
    problem : Problem
        One that :func:`reason_against_remainder` says nothing against.
    detail : float
        From 0, the smooth completion, to 1, all that the generator makes.

    Attributes
    ----------
    solution : torch.Tensor
        (A C Aᵀ + s²)⁻¹ (y − A x) of the last image, of y's shape: what a continued run needs.

    References
    ----------
    D. J. Field: Relations between the statistics of natural images and the response properties of cortical cells,
    JOSA A 4 (1987), for the spectrum. M. Dhar, A. Grover, S. Ermon: Modeling sparse deviations for compressed
    sensing using generative models, ICML 2018, for a remainder beside a generator, there a sparse one.
    """

    def __init__(self, problem: Problem, detail: float = 1.0) -> None:
        self._problem, self._detail = problem, detail
        y = problem.y
        known = problem.known_pixels()
        self._weight = torch.ones_like(y) if known is None else known
        self._spectrum = _spectrum(*problem.reference_shape[-2:]).to(y)
        self._sigma = problem.noise_rms()
        self.solution = torch.zeros_like(y)
        draw = torch.Generator().manual_seed(0)
        signs = self._weight * (2.0 * torch.randint(2, y.shape, generator=draw).to(y) - 1)
        lifted, count = problem.operator.adjoint(signs), self._weight.sum().clamp(min=1)
        #: The means of diag(A C Aᵀ) and of diag(A Aᵀ), from a random vector of signs.
        self._unit_variance = max(float((lifted * self._correlated(lifted)).sum() / count), 1e-12)
        self._gain = max(float(lifted.square().sum() / count), 1e-12)

    def _correlated(self, image: torch.Tensor) -> torch.Tensor:
        """C of an image."""
        return _filtered(image, self._spectrum, _CHROMA * self._spectrum)

    def _lifted(self, values: torch.Tensor) -> torch.Tensor:
        """C Aᵀ W of values in the measurement's place."""
        return self._correlated(self._problem.operator.adjoint(self._weight * values))

    def _preconditioned(self, values: torch.Tensor, noise: float) -> torch.Tensor:
        """A (C + s²)⁻¹ Aᵀ, which is (A C Aᵀ + s²)⁻¹ where A is the identity, and near it for masks and means."""
        damping = noise / self._gain
        inverse = 1 / (self._spectrum + damping), 1 / (_CHROMA * self._spectrum + damping)
        image = self._problem.operator.adjoint(self._weight * values)
        return self._weight * self._problem.operator(_filtered(image, *inverse)) / self._gain**2

    @torch.no_grad()
    def added_to(self, image: torch.Tensor) -> torch.Tensor:
        """The image with its remainder, (N, C, H, W), not clipped."""
        operator, weight = self._problem.operator, self._weight
        if self._variance(self._misfit(image)) == 0:
            return image
        mean = image.mean(dim=(2, 3), keepdim=True)
        image = mean + self._detail * (image - mean)
        misfit = self._misfit(image)
        variance = self._variance(misfit)
        if variance == 0:
            return image
        noise = _FLOOR + self._sigma**2 / variance
        is_first = not bool(self.solution.any())
        self.solution = conjugate_gradients(
            lambda u: weight * operator(self._lifted(u)) + noise * u,
            misfit,
            self.solution,
            iterations=_FIRST_STEPS if is_first else _STEPS,
            tolerance=1e-3,
            precondition=lambda r: self._preconditioned(r, noise),
        )
        return image + self._lifted(self.solution)

    def _misfit(self, image: torch.Tensor) -> torch.Tensor:
        """W (y − A x)."""
        return self._weight * (self._problem.y - self._problem.operator(image))

    def _variance(self, misfit: torch.Tensor) -> float:
        """The variance of the field that makes what noise does not explain; 0 where that is next to nothing."""
        squared = float(misfit.square().sum() / self._weight.sum().clamp(min=1))
        variance = (squared - self._sigma**2) / self._unit_variance
        return variance if math.isfinite(variance) and variance > 1e-3 * squared else 0.0

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Where the next call goes on."""
        return {"solution": self.solution.clone()}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Continue where `state` was taken."""
        self.solution = state["solution"].to(self._problem.y, copy=True)


def reason_against_remainder(problem: Problem) -> str | None:
    """Why the misfit of the problem says nothing simple of the image, or None."""
    if not problem.operator.linear:
        return f"a smooth remainder needs a linear operator, and {problem.operator.describe()} is none"
    if not isinstance(problem.data_term, Gaussian) or problem.noise is not None:
        name = type(problem.data_term if problem.noise is None else problem.noise).__name__
        return f"a smooth remainder needs white Gaussian noise, and this problem has {name}"
    return None


def _filtered(image: torch.Tensor, common: torch.Tensor, chroma: torch.Tensor) -> torch.Tensor:
    """An image with the coefficients of its channels' mean times `common`, and those of the rest times `chroma`."""
    coefficients = cosine_transform(image)
    mean = coefficients.mean(dim=1, keepdim=True)
    return inverse_cosine_transform(common * mean + chroma * (coefficients - mean))


def _spectrum(height: int, width: int) -> torch.Tensor:
    """1/f² on the coefficients of the cosine transform, bounded at the longest wave and of mean 1."""
    down, along = (2 - 2 * torch.cos(math.pi / size * torch.arange(size)) for size in (height, width))
    squared = down[:, None] + along
    power = 1 / (squared + 2 - 2 * math.cos(math.pi / max(height, width, 2)))
    return power / power.mean()
