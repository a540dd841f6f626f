"""What is minimised: the measurement, the damage, and how far apart the two may be.

``min over x of D(A(x), y)`` where A is the operator, y the measurement and D the data term. A problem never
knows which prior solves it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch

from zeroshot.checks import is_number
from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber, Poisson
from zeroshot.measurement import Measurement
from zeroshot.operators.blur import Blur
from zeroshot.operators.blurring import Blurring
from zeroshot.operators.boundary import extend
from zeroshot.operators.window import Window


@dataclass(frozen=True, eq=False)
class Problem(Measurement):
    """A measurement, and how well an image explains it.

    The attributes are those of :class:`zeroshot.measurement.Measurement`.
    """

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

    @property
    def needs_nothing(self) -> bool:
        """Whether a blur was looked for in a picture that has none: it stays as it is, whatever the prior."""
        return self.is_clean and self.kernel is not None

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
