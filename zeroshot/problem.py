"""What is minimised: the measurement, the damage, and how far apart the two may be.

``min over x of D(A(x), y)`` where A is the operator, y the measurement and D the data term. A problem never
knows which prior solves it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch

from zeroshot.checks import is_number, require_number
from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber, Poisson
from zeroshot.noise import NoiseModel, contrasts, estimate_sigma, stabilisation
from zeroshot.operators.blur import Blur
from zeroshot.operators.blurring import Blurring
from zeroshot.operators.boundary import extend
from zeroshot.operators.identity import Identity
from zeroshot.operators.mask import Mask, has_wide_hole
from zeroshot.operators.operator import Operator
from zeroshot.operators.window import Window

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
class Problem:
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

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        """D(A(x), y), averaged over the measurements that are not held out."""
        return self.data_term(self.operator(x), self.y, self._weight)

    def validation_loss(self, x: torch.Tensor) -> torch.Tensor:
        """D(A(x), y), averaged over the held-out measurements."""
        if self.held_out is None:
            raise ValueError(
                "this problem holds no measurements out; make one with problem.hold_out(fraction)"
            )
        return self.data_term(self.operator(x), self.y, self.held_out)

    def residual(self, x: torch.Tensor) -> float:
        """Root mean square of A(x) − y over the measured values: what sigma would be if x were the truth."""
        squared = (self.operator(x) - self.y).square()
        if self.measured is None:
            return float(squared.mean().sqrt())
        weight = self.measured.expand_as(squared)
        return float(((squared * weight).sum() / weight.sum().clamp(min=1)).sqrt())

    def initial(self) -> torch.Tensor:
        """A cheap first estimate of the image, in [0, 1]: what a prior has to beat."""
        return self.operator.initial(self.y).clamp(0, 1)

    def hold_out(self, fraction: float, generator: torch.Generator) -> Problem:
        """The same problem with a random `fraction` of its measured pixels kept aside for validation.

        A pixel is kept aside in all its channels: a network would otherwise read it off its neighbours in
        the other channels.
        """
        if not (is_number(fraction) and 0 < fraction < 1):
            raise ValueError(f"fraction of held-out pixels must lie between 0 and 1, got {fraction!r}")
        count, _, height, width = self.y.shape
        held_out = torch.zeros(count, 1, height * width)
        for index in range(count):
            known = self._measured_pixels(index)
            if len(known) < 2:
                raise ValueError("holding pixels out needs at least two measured pixels")
            chosen = max(1, min(len(known) - 1, round(fraction * len(known))))
            held_out[index, 0, known[torch.randperm(len(known), generator=generator)[:chosen]]] = 1
        return self.with_held_out(held_out.view(count, 1, height, width))

    def with_held_out(self, which: torch.Tensor) -> Problem:
        """The same problem with the measurements kept aside at which `which`, broadcastable to y, is 1."""
        mask = which.to(self.y).expand_as(self.y)
        if self.measured is not None:
            mask = mask * self.measured
        return replace(self, held_out=mask.contiguous())

    def _measured_pixels(self, index: int) -> torch.Tensor:
        """The flat positions of the pixels of image `index` that are measured in any channel."""
        if self.measured is None:
            return torch.arange(self.y.shape[-2] * self.y.shape[-1])
        known = self.measured[min(index, self.measured.shape[0] - 1)].amax(dim=0)
        return known.expand(self.y.shape[-2:]).flatten().nonzero()[:, 0].cpu()

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

    @property
    def needs_nothing(self) -> bool:
        """Whether a blur was looked for in a picture that has none: it stays as it is, whatever the prior."""
        return self.is_clean and self.kernel is not None

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
                return math.sqrt(variance.mean(dtype=torch.float64).item())
            total = (variance * which).sum(dtype=torch.float64).item()
            return math.sqrt(total / max(which.sum(dtype=torch.float64).item(), 1))
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

    # --- parts of it ---

    @property
    def framed_shape(self) -> tuple[int, ...]:
        """The shape (N, C, H, W) of what is returned: that of the unknown image, or of its part in the frame."""
        if self.frame is None:
            return tuple(self.reference_shape)
        return (*self.reference_shape[:2], self.frame.height, self.frame.width)

    def framed(self, image: torch.Tensor) -> torch.Tensor:
        """The part in the frame, of an image of the size of the unknown one; others stay as they are."""
        if self.frame is None or image.shape[-2:] != torch.Size(self.reference_shape[-2:]):
            return image
        return self.frame.of(image)

    def within_frame(self) -> Problem:
        """The problem whose unknown image ends at the frame, its last pixels being repeated beyond it.

        For those who make images of one size, which has no room for more.
        """
        if self.frame is None:
            return self
        assert isinstance(self.operator, Blurring)
        bounded = self.operator.with_boundary("replicate")
        return replace(self, operator=bounded, reference_shape=(), frame=None)

    def reason_against_cropping(self) -> str | None:
        """Why the problem cannot be solved in parts, in one line; None where it can."""
        # A data term that looks at more than one value at a time would need to see the whole.
        if type(self.data_term).__call__ is not DataTerm.__call__:
            known = ", ".join(kind.__name__ for kind in (Gaussian, Poisson, L1, Huber))
            return f"the data term {type(self.data_term).__name__} looks at the image as a whole; use {known}"
        try:
            self.operator.locality()
        except ValueError as error:
            return str(error)
        return None

    def crop(self, window: Window) -> Problem:
        """The problem posed for a part of its image.

        Measurements near a cut depend on pixels beyond it, for which the operator's boundary stands in: what is
        restored within :attr:`Locality.reach` of a cut is not to be used.

        Parameters
        ----------
        window : Window
            The part of the image, placed as :meth:`Operator.locality` asks.

        Raises
        ------
        ValueError
            Where the operator or the data term cannot be cropped, or the window does not fit.
        """
        reason = self.reason_against_cropping()
        if reason is not None:
            raise ValueError(reason)
        operator, measured_window = self.operator.crop(window)
        size = self.y.shape[-2:]

        def part(tensor: torch.Tensor | None) -> torch.Tensor | None:
            if tensor is None:
                return None
            return measured_window.of(tensor.expand(*tensor.shape[:-2], *size)).contiguous()

        return replace(
            self,
            y=measured_window.of(self.y).contiguous(),
            operator=operator,
            reference_shape=(*self.reference_shape[:2], window.height, window.width),
            measured=part(self.measured),
            held_out=part(self.held_out),
            clipped=part(self.clipped),
            contrast=self.contrasts(),
            sigma_map=part(self.sigma_map),
            constraint=None,
            frame=None,
        )

    def unrolled(self, margin: int) -> Problem:
        """The problem without a blur that joins opposite edges: the image goes on beyond them for `margin` pixels.

        What was asked for is then in its `frame`. Beyond it the measurement is that of the opposite edge, so that an
        image cut at a distance from the new edges is that of the whole. Other problems stay as they are.
        """
        if not (isinstance(self.operator, Blur) and self.operator.boundary == "circular"):
            return self
        size = self.y.shape[-2:]

        def wrapped(tensor: torch.Tensor | None) -> torch.Tensor | None:
            if tensor is None:
                return None
            rows = extend(tensor.expand(*tensor.shape[:-2], *size), -2, margin, margin, "circular")
            return extend(rows, -1, margin, margin, "circular")

        height, width = self.reference_shape[-2:]
        longer = (*self.reference_shape[:2], height + 2 * margin, width + 2 * margin)
        y = wrapped(self.y)
        assert y is not None
        return replace(
            self,
            y=y,
            operator=self.operator.with_boundary("replicate"),
            reference_shape=longer,
            measured=wrapped(self.measured),
            held_out=wrapped(self.held_out),
            clipped=wrapped(self.clipped),
            contrast=self.contrasts(),
            sigma_map=wrapped(self.sigma_map),
            constraint=None,
            frame=Window(margin, margin, height, width),
        )

    def to(self, device: torch.device | str) -> Problem:
        """The same problem on another device."""

        def move(tensor: torch.Tensor | None) -> torch.Tensor | None:
            return None if tensor is None else tensor.to(device)

        return replace(
            self,
            y=self.y.to(device),
            # Module.to works in place, and the operator may be the caller's own.
            operator=copy.deepcopy(self.operator).to(device),
            data_term=self.data_term.to(device),
            measured=move(self.measured),
            held_out=move(self.held_out),
            clipped=move(self.clipped),
            sigma_map=move(self.sigma_map),
        )
