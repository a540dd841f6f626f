"""What was measured, how it came about, which of its values count, and how noisy they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from zeroshot.checks import require_number
from zeroshot.data_terms import DataTerm, Gaussian, Poisson
from zeroshot.noise import NoiseModel, contrasts, estimate_sigma, stabilisation
from zeroshot.operators.identity import Identity
from zeroshot.operators.mask import Mask, has_wide_hole
from zeroshot.operators.operator import Operator
from zeroshot.operators.window import Window
from zeroshot.precision import exact_sum, widest

#: How bright a pixel may be that clipped measurements see, others of such a picture; and how much of it they see.
_BRIGHTEST, _BRIGHT, _SEEN = 16.0, 2.0, 0.01


class Constraint(Protocol):
    """A set of images, on the CPU."""

    def nearest(self, image: torch.Tensor) -> torch.Tensor:
        """The image of the set that is nearest to `image`, (N, C, H, W) in [0, 1]."""
        ...

    def findings(self, image: torch.Tensor) -> dict[str, Any]:
        """How well an image fulfils it, for the provenance of a result."""
        ...


@dataclass(frozen=True, eq=False)
class Measurement:
    """A measurement and how it came about.

    Attributes
    ----------
    y : torch.Tensor
        The measurement, (N, C, H, W), float32, nominally in [0, 1].
    operator : Operator
        The damage A.
    data_term : DataTerm
        D, averaged over the measured values.
    sigma : float or None
        Standard deviation of the noise in y on the [0, 1] scale; 0 for a noise-free measurement, None where
        it is unknown.
    task : str
        The name of the task, so that a prior can look its defaults up.
    reference_shape : tuple of int
        The shape (N, C, H, W) of the unknown image. Worked out from the operator where not given.
    measured : torch.Tensor or None
        1 where y carries a measurement and 0 where it is empty (holes), broadcastable to y; None: everywhere.
    held_out : torch.Tensor or None
        1 at measurements kept aside for validation, of y's shape; None: nothing is kept aside.
    contrast : torch.Tensor or None
        That of the whole image that this is a part of, see :meth:`contrasts`; None measures it.
    noise : NoiseModel or None
        What the noise in y is; None: white Gaussian noise of level `sigma`, or what the data term says.
    sigma_map : torch.Tensor or None
        Standard deviation of the white noise at every value, broadcastable to y, where it differs from place to
        place; `sigma` is then its root mean square.
    constraint : Constraint or None
        What the image is known to fulfil: what a prior has found is moved to the nearest image that does. Parts
        of a problem have none.
    equivalent_sigma : float or None
        The level of the white noise that does as much harm as what y holds beside A x, where that is more than
        `sigma`, such as what a blur kernel gets wrong; None: it is not.
    clipped : torch.Tensor or None
        1 at values of y that are white because they could be no more, of y's shape, which `measured` leaves out; None:
        there are none.
    frame : Window or None
        The part of the unknown image that was asked for. What lies beyond it is sought as well, since measurements
        depend on it, and is cut off from what is returned; None: all of it.
    kernel : mapping or None
        What the provenance records of a kernel that was found from y, JSON-able; None: none was.
    """

    y: torch.Tensor
    operator: Operator
    data_term: DataTerm = field(default_factory=Gaussian)
    sigma: float | None = None
    task: str = "restore"
    reference_shape: tuple[int, ...] = ()
    measured: torch.Tensor | None = None
    held_out: torch.Tensor | None = None
    contrast: torch.Tensor | None = None
    noise: NoiseModel | None = None
    sigma_map: torch.Tensor | None = None
    constraint: Constraint | None = None
    equivalent_sigma: float | None = None
    clipped: torch.Tensor | None = None
    frame: Window | None = None
    kernel: Mapping[str, Any] | None = None
    _weight: torch.Tensor | None = field(init=False, repr=False, default=None)
    _contrasts: torch.Tensor | None = field(init=False, repr=False, default=None)
    #: What is returned by :meth:`known_pixels`, once it is known; runs ask for it at every step.
    _known: tuple[torch.Tensor | None] | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        require_number(self, "sigma", "equivalent_sigma", none="allowed")
        if self.noise is not None and self.noise.is_white:
            # The special case that costs nothing.
            object.__setattr__(self, "sigma", self.noise.sigma)
            object.__setattr__(self, "noise", None)
        if not self.reference_shape:
            object.__setattr__(self, "reference_shape", tuple(self.operator.input_shape(tuple(self.y.shape))))
        object.__setattr__(self, "_weight", self._fitted())

    def _fitted(self) -> torch.Tensor | None:
        """1 at the measurements that are fitted: those that exist and are not held out; None: all."""
        if self.held_out is None:
            return self.measured
        kept = 1 - self.held_out
        return kept if self.measured is None else kept * self.measured

    def initial(self) -> torch.Tensor:
        """A cheap first estimate of the image, in [0, 1]: what a prior has to beat."""
        return self.operator.initial(self.y).clamp(0, 1)

    # --- what kind of problem it is ---

    @property
    def is_denoising(self) -> bool:
        """Whether every pixel of the image is measured as it is, but for noise."""
        return type(self.operator) is Identity and self.measured is None and self.held_out is None

    @property
    def is_clean(self) -> bool:
        """Whether the measurement is said to be the image itself: whole, undamaged and without noise."""
        plain = self.noise is None and self.sigma_map is None and isinstance(self.data_term, Gaussian)
        return self.is_denoising and plain and self.sigma == 0

    # --- which values count, and how noisy they are ---

    def counted(self) -> torch.Tensor | None:
        """1 at the measurements that enter the data term, of y's shape; None: all."""
        if self.measured is None and self.held_out is None:
            return None
        result = torch.ones_like(self.y)
        if self.measured is not None:
            result *= self.measured > 0.5
        if self.held_out is not None:
            result *= self.held_out < 0.5
        return None if bool(result.all()) else result

    def known_pixels(self) -> torch.Tensor | None:
        """1 at the pixels that neither the mask of the operator hides nor the problem leaves out; None: all are."""
        if self._known is None:
            object.__setattr__(self, "_known", (self._found_known(),))
        assert self._known is not None
        return self._known[0]

    def _found_known(self) -> torch.Tensor | None:
        if not isinstance(self.operator, Mask):
            return self.counted()
        known = (self.operator.mask.to(self.y) > 0.5).expand_as(self.y).to(self.y)
        counted = self.counted()
        known = known if counted is None else known * counted
        return None if bool(known.all()) else known

    def has_wide_hole(self) -> bool:
        """Whether pixels are to be filled in, and in some square of 9 × 9 none is known."""
        return self.task == "inpaint" and has_wide_hole(self.known_pixels())

    def ceiling(self) -> torch.Tensor | None:
        """The largest value of every pixel of the unknown image where some may exceed white, else None.

        These are in the first place those whose measurements are clipped; but there may be more in such a picture.
        """
        if self.clipped is None:
            return None
        seen = self.operator.adjoint(self.clipped) > _SEEN * self.operator.adjoint(torch.ones_like(self.y))
        return _BRIGHT + (_BRIGHTEST - _BRIGHT) * seen.to(self.y)

    def with_known(self, image: torch.Tensor) -> torch.Tensor:
        """An image with the pixels that are known without noise as they were measured; else the image itself.

        That is so in inpainting whose noise is said to be 0. What is held out is not known.
        """
        if not isinstance(self.operator, Mask) or self.sigma != 0 or not isinstance(self.data_term, Gaussian):
            return image
        known = self.known_pixels()
        return self.y if known is None else torch.where(known > 0.5, self.y, image)

    def noise_rms(self) -> float:
        """Standard deviation of the noise in y: what the noise law says, is known or is estimated from y.

        With the Poisson data term it is the root mean square over the values that count of what the law
        predicts, √(gain · y + readout²), and with a noise model that of its level.
        """
        term = self.data_term
        if isinstance(term, Poisson) or self.noise is not None:
            if self.noise is not None:
                variance = self.noise.level(self.y).square()
            else:
                assert isinstance(term, Poisson)
                variance = (term.gain * self.y + term.readout**2).clamp(min=0)
            which = self.counted()
            if which is None:
                return math.sqrt(variance.mean(dtype=widest(variance.device)).item())
            total = exact_sum(variance * which)
            return math.sqrt(total / max(exact_sum(which), 1))
        return estimate_sigma(self.y, self.measured) if self.sigma is None else self.sigma

    def white_level(self) -> float:
        """The level of white noise that a prior should be told which knows no other.

        It is that of :meth:`noise_rms`, but for a noise model that of the frequencies and the colours that carry the
        noise: correlated noise that is not large pixel by pixel takes a larger level to be removed. So does what is
        known of `equivalent_sigma`.
        """
        if self.noise is None:
            return max(self.noise_rms(), self.equivalent_sigma or 0.0)
        _, stationary = self.noise.stabilise(self.y)
        return self.noise_rms() * stationary.equivalent_sigma / max(stationary.sigma, 1e-12)

    def coloured_noise(self) -> NoiseModel | None:
        """The noise of :meth:`stabilised` where it is not white, else None."""
        if self.noise is None:
            return None
        stationary = self.noise.stabilise(self.y)[1]
        return None if stationary.is_white else stationary

    def stabilised(self, known: torch.Tensor | None = None) -> tuple[torch.Tensor, float]:
        """The measurement with noise of one level everywhere, and that level.

        With the Poisson data term, and with a noise model that depends on the intensity, it is the variance-stabilised
        one, else y itself; :meth:`unstabilised` maps back. The level is that of white noise, see :meth:`white_level`.
        The operator leaves pixels as they are, or hides some.

        Parameters
        ----------
        known : torch.Tensor, optional
            1 at the pixels that an unknown level is estimated from, of y's shape; all by default.
        """
        if isinstance(self.data_term, Poisson):
            return stabilisation.forward(self.y, self.data_term.gain, self.data_term.readout)
        if self.noise is not None:
            y, stationary = self.noise.stabilise(self.y)
            return y, stationary.equivalent_sigma
        return self.y, estimate_sigma(self.y, known) if self.sigma is None else self.sigma

    def contrasts(self) -> torch.Tensor:
        """The contrast of each image, by which constants of denoisers are to be scaled, (N, 1, 1, 1).

        In denoising it is that of :meth:`stabilised`, else that of the first estimate.
        """
        if self.contrast is not None:
            return self.contrast.to(self.y)
        if self._contrasts is None:
            measured = contrasts(*self.stabilised()) if self.is_denoising else contrasts(self.initial())
            object.__setattr__(self, "_contrasts", measured)
        assert self._contrasts is not None
        return self._contrasts

    @property
    def largest_contrast(self) -> float:
        """The largest of :meth:`contrasts`, for what the images of a batch share."""
        return float(self.contrasts().max())

    def unstabilised(self, estimate: torch.Tensor) -> torch.Tensor:
        """An estimate on the scale of :meth:`stabilised`, mapped back to that of the image."""
        if isinstance(self.data_term, Poisson):
            return stabilisation.inverse(estimate, self.data_term.gain, self.data_term.readout)
        return estimate if self.noise is None else self.noise.unstabilise(estimate)
