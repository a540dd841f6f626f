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
#: How much of an image's contrast enters where that is chosen: the least, the most, and by how much the error of what
#: is not measured exceeds the misfit of what is, in variance.
_LEAST_DETAIL, _MOST_DETAIL, _OPTIMISM = 0.65, 0.95, 2.0


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
    detail : float or None
        From 0, the smooth completion, to 1, all that the generator makes. None: 1/(1 + 2 m²/c²), at least 0.65 and at
        most 0.95, with the root mean squares m of the misfit beyond the noise and c of what the image adds to the
        smooth completion where nothing is measured.

    Attributes
    ----------
    solution, contrast_solution : torch.Tensor
        (A C Aᵀ + s²)⁻¹ (y − A x) of the last image, and (A C Aᵀ + s²)⁻¹ A (x − m), both of y's shape: what a continued
        run needs.

    References
    ----------
    D. J. Field: Relations between the statistics of natural images and the response properties of cortical cells,
    JOSA A 4 (1987), for the spectrum. M. Dhar, A. Grover, S. Ermon: Modeling sparse deviations for compressed
    sensing using generative models, ICML 2018, for a remainder beside a generator, there a sparse one.
    """

    def __init__(self, problem: Problem, detail: float | None = 1.0) -> None:
        self._problem, self._detail = problem, detail
        y = problem.y
        known = problem.known_pixels()
        self._weight = torch.ones_like(y) if known is None else known.expand_as(y)
        self._spectrum = _spectrum(*problem.reference_shape[-2:]).to(y)
        self._sigma = problem.noise_rms()
        self.solution, self.contrast_solution = torch.zeros_like(y), torch.zeros_like(y)
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
        misfit = self._misfit(image)
        if self._variance(misfit) == 0:
            return image
        mean = image.mean(dim=(2, 3), keepdim=True)
        contrast = image - mean
        detail = self._chosen_detail(contrast, misfit) if self._detail is None else self._detail
        image = mean + detail * contrast
        misfit = self._misfit(image)
        variance = self._variance(misfit)
        if variance == 0:
            return image
        self.solution = self._solved(misfit, variance, self.solution)
        return image + self._lifted(self.solution)

    def _chosen_detail(self, contrast: torch.Tensor, misfit: torch.Tensor) -> float:
        """How much of an image's contrast enters, by the misfit that the image has."""
        variance = self._variance(misfit)
        measured = self._weight * self._problem.operator(contrast)
        self.contrast_solution = self._solved(measured, variance, self.contrast_solution)
        added = contrast - self._lifted(self.contrast_solution)
        unmeasured = max(1 - float(self._weight.sum()) / contrast.numel(), 1 / contrast.numel())
        wrong = _OPTIMISM * variance * self._unit_variance
        detail = 1 / (1 + wrong * unmeasured / max(float(added.square().mean()), 1e-12))
        return min(max(detail, _LEAST_DETAIL), _MOST_DETAIL)

    def _solved(self, values: torch.Tensor, variance: float, start: torch.Tensor) -> torch.Tensor:
        """(A C Aᵀ + s²)⁻¹ of values in the measurement's place, for a field of this variance."""
        noise = _FLOOR + self._sigma**2 / variance
        return conjugate_gradients(
            lambda u: self._weight * self._problem.operator(self._lifted(u)) + noise * u,
            values,
            start,
            iterations=_STEPS if bool(start.any()) else _FIRST_STEPS,
            tolerance=1e-3,
            precondition=lambda r: self._preconditioned(r, noise),
        )

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
        return {"solution": self.solution.clone(), "contrast_solution": self.contrast_solution.clone()}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Continue where `state` was taken."""
        self.solution, self.contrast_solution = (
            state[name].to(self._problem.y, copy=True) for name in ("solution", "contrast_solution")
        )


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
