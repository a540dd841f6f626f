"""The iterations of plug and play: a splitting scheme with a denoiser, level by level of noise."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber
from zeroshot.deadline import seconds_left
from zeroshot.estimate import Estimate
from zeroshot.noise import QUANTISATION
from zeroshot.prior import Run
from zeroshot.priors.denoiser import Denoiser
from zeroshot.priors.warm_start import FirstImage
from zeroshot.problem import Problem
from zeroshot.solvers.data_step import DataStep
from zeroshot.solvers.finite_differences import weight_chroma_
from zeroshot.solvers.plug_and_play import Denoise, splitting

if TYPE_CHECKING:
    from zeroshot.priors.plug_and_play.pnp import PlugAndPlay

#: Huber's δ is usually 1.345 standard deviations of the noise without its outliers.
HUBER_DELTA = 1.345
#: Iterations between two searches for similar patches, where the denoiser knows some; the last one always searches.
SEARCHED_EVERY = 3


class PlugAndPlayRun(Run):
    """The iterations of a splitting scheme, one a step.

    The noise levels of the settings are those of images of contrast 1, and count in units of the contrast.

    Parameters
    ----------
    prior : PlugAndPlay
        With `chroma` chosen.
    problem : Problem
    denoiser : Denoiser or callable
        With its settings.
    first : FirstImage
        The image to begin with.
    shown : FirstImage, optional
        What there is to show before the first iteration; by default the same.

    Notes
    -----
    Where the time does not suffice for all levels that are left, as the steps so far tell, so many of them are left out
    in even steps that the last level is reached.
    """

    state = ("splitting", "index", "levels", "repetition")

    def __init__(
        self,
        prior: PlugAndPlay,
        problem: Problem,
        denoiser: Denoiser | Denoise,
        first: FirstImage,
        shown: FirstImage | None = None,
    ) -> None:
        self.device = problem.y.device
        self._prior, self._problem, self._denoiser = prior, problem, denoiser
        self.repetition = denoiser.repetition() if isinstance(denoiser, Denoiser) else None
        if prior.chroma is None:
            raise ValueError("chroma is chosen when a run starts; give a number, or use the prior's start")
        self._chroma = prior.chroma
        noise = _noise_level(problem)
        # Each pass asks for them.
        self._contrast = problem.contrasts().cpu()
        #: One for the whole batch, whose images share the levels.
        self._scale = problem.largest_contrast
        self.levels = [self._scale * level for level in prior.levels(noise / self._scale)]
        term: DataTerm = problem.data_term
        if isinstance(term, Gaussian):
            term = Gaussian(max(noise, QUANTISATION * self._scale))
        self._data_step = DataStep(problem.operator, problem.y, term, problem.counted())
        self._is_exact = noise == 0 and isinstance(term, Gaussian) and self._data_step.projects
        # Without a cycle of references, which would keep the images of a run that is over.
        itself = weakref.proxy(self)
        self.splitting = splitting(
            prior.scheme,
            self._data_step,
            lambda noisy, sigma: itself._denoise(noisy, sigma),
            _without_outliers(problem, first.image),
        )
        self.index = 0
        self._first = first if shown is None else shown
        self._seconds = 0.0
        #: Whether what the denoiser was given and gave in this step was finite, which is read with the loss.
        self._finite: list[torch.Tensor] = []

    def beginning(self) -> tuple[torch.Tensor, str] | None:
        """The first image, where it is more than the operator's first estimate."""
        return self._first.beginning()

    @property
    def finished(self) -> bool:
        """Whether the last iteration has been made."""
        return self.index >= len(self.levels)

    @torch.no_grad()
    def step(self) -> Estimate:
        """Make the next iteration; after the last one the image stays."""
        if not self.finished:
            self._fit_into_the_time()
            sigma = self.levels[self.index]
            began = time.monotonic()
            self.splitting.advance(sigma, self._strength(sigma))
            # The first step of all has more to do.
            self._seconds = time.monotonic() - began
            self.index += 1
        image = self._image()
        return Estimate(image, self._loss(image), max(self.index, 1))

    def _loss(self, image: torch.Tensor) -> float:
        """The loss of the image; an error where the denoiser has met or made values that are not finite."""
        loss = self._problem.loss(image)
        # Read together: each time the host waits.
        value, *finite = torch.stack([loss, *(one.to(loss) for one in self._finite)]).tolist()
        self._finite.clear()
        if not all(finite):
            place = "got" if not all(finite[::2]) else "returned"
            raise ValueError(f"the denoiser {place} values that are not finite at iteration {self.index}")
        return value

    def _fit_into_the_time(self) -> None:
        """Leave out levels that there is no time for."""
        left = seconds_left()
        to_go = self.levels[self.index :]
        if left == math.inf or not self._seconds or len(to_go) * self._seconds <= left:
            return
        count = max(1, int(left / self._seconds))
        last = len(to_go) - 1
        kept = [round(last * (place + 1) / count) for place in range(count)]
        self.levels = self.levels[: self.index] + [to_go[place] for place in kept]

    def _strength(self, sigma: float) -> float:
        """ρ, in units of the data term."""
        if self._is_exact:
            return 0.0
        return self._prior.weight / sigma**2 * self._units()

    def _units(self) -> float:
        """What the data term has to be divided by to be the negative log-likelihood of the noise."""
        term = self._problem.data_term
        if isinstance(term, Huber):
            return (term.delta / HUBER_DELTA) ** 2
        if isinstance(term, L1):
            # The most likely scale of a Laplace distribution is the mean deviation.
            return max(self._problem.loss(self.splitting.image).item(), QUANTISATION * self._scale)
        return 1.0

    def _denoise(self, noisy: torch.Tensor, sigma: float) -> torch.Tensor:
        chroma = self._chroma
        if chroma != 1:
            noisy = weight_chroma_(noisy.clone(), 1 / chroma)
        if self.repetition is not None:
            afresh = self.index % SEARCHED_EVERY == 0 or self.index == len(self.levels) - 1
            image = self.repetition.denoise(noisy, sigma, self._contrast, afresh=afresh)
        else:
            assert not isinstance(self._denoiser, Denoiser)
            image = self._denoiser(noisy, sigma)
        if not isinstance(image, torch.Tensor) or image.shape != noisy.shape:
            got = tuple(image.shape) if isinstance(image, torch.Tensor) else type(image).__name__
            raise ValueError(f"the denoiser must return an image of shape {tuple(noisy.shape)}, got {got}")
        self._finite += [noisy.isfinite().all(), image.isfinite().all()]
        return weight_chroma_(image.to(noisy, copy=True), chroma) if chroma != 1 else image.to(noisy)

    def _image(self) -> torch.Tensor:
        image = self.splitting.image.clamp(0, 1)
        return self._data_step.project(image).clamp(0, 1) if self._is_exact else image

    def findings(self) -> dict[str, Any]:
        """The scheme, the denoiser with its last noise level, and how much more colours were denoised."""
        return {
            "scheme": self._prior.scheme,
            "denoiser": title(self._denoiser),
            "chroma": self._chroma,
            "last_noise_level": self.levels[max(self.index, 1) - 1],
        }


def title(denoiser: Denoiser | Callable[..., Any]) -> str:
    """What a denoiser is called."""
    if isinstance(denoiser, Denoiser):
        return denoiser.name
    return getattr(denoiser, "__qualname__", type(denoiser).__qualname__)


def _without_outliers(problem: Problem, image: torch.Tensor) -> torch.Tensor:
    """The image; where there may be outliers, the median of 3 × 3 of it, taken twice."""
    if not isinstance(problem.data_term, L1 | Huber):
        return image
    for _ in range(2):
        image = torch.stack([_median(plane) for plane in image.flatten(0, 1)]).view_as(image)
    return image


def _median(plane: torch.Tensor) -> torch.Tensor:
    """The median of 3 × 3 of (H, W), the edge pixels being repeated."""
    height, width = plane.shape
    rows = torch.arange(-1, height + 1, device=plane.device).clamp(0, height - 1)
    columns = torch.arange(-1, width + 1, device=plane.device).clamp(0, width - 1)
    padded = plane[rows][:, columns]
    shifted = [padded[i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return torch.stack(shifted).median(dim=0).values


def _noise_level(problem: Problem) -> float:
    """The standard deviation of the noise in the measurement, as far as it is no outliers."""
    term = problem.data_term
    if isinstance(term, L1):
        return 0.0
    if isinstance(term, Huber):
        return term.delta / HUBER_DELTA
    return problem.white_level()
