"""Operators from the physics of deepinv, and from any object that has their methods `A` and `A_adjoint`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from zeroshot.notes import note
from zeroshot.operators.linear import apply_linear
from zeroshot.operators.operator import Operator, Shape
from zeroshot.precision import exact_sum, widened

#: Of images on which linearity is tried where nothing is known of their size.
_LIKELY_SHAPES: tuple[Shape, ...] = ((1, 3, 64, 64), (1, 1, 64, 64))
#: How far A(ax + bz) may be from a A(x) + b A(z), relative to both.
_LINEARITY = 1e-4
#: How far ⟨A x, A z⟩ may be from ⟨x, Aᵀ A z⟩, in standard deviations of what they are for images of noise, and
#: relative to the norms, beyond which float32 does not reach in large images.
_ADJOINTNESS, _ROUNDING = 1e-3, 1e-6


class PhysicsOperator(Operator):
    """The method `A` of an object, and its `A_adjoint` where `A` is linear.

    An object with both methods is not linear for that: deepinv's phase retrieval has an `A_adjoint` too. What
    the object says of itself is believed. Where it says nothing, linearity is tried when it first matters, on
    two images of noise.

    Parameters
    ----------
    physics : object
        Has a method `A`, image → measurement, both (N, C, H, W), and perhaps `A_adjoint`.
    image_shape : (C, H, W), optional
        The shape of one image. Default: that of what `A_adjoint` makes of a measurement, without it the
        measurement's own.

    Raises
    ------
    ValueError
        If `image_shape` is not (C, H, W).
    """

    def __init__(self, physics: Any, image_shape: Sequence[int] | None = None) -> None:
        super().__init__()
        if isinstance(physics, nn.Module):
            self.physics = physics  # so that .to(device) reaches it
        self.name = type(physics).__name__
        self._forward = physics.A
        adjoint = getattr(physics, "A_adjoint", None)
        self._adjoint = adjoint if callable(adjoint) else None
        self._image_shape = None if image_shape is None else tuple(int(length) for length in image_shape)
        if self._image_shape is not None and len(self._image_shape) != 3:
            raise ValueError(f"input_shape must be (C, H, W), got {self._image_shape}")
        self._linear = _declared(physics)
        if self._linear is None and self._adjoint is None:
            self._linear = False
        self._seen: Shape | None = None

    @property
    def linear(self) -> bool:  # type: ignore[override]
        """Whether `A` is linear, and `A_adjoint` its adjoint."""
        if self._linear is None:
            found = self._tried()
            if found is None:
                return False
            self._linear = found
        return self._linear

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._seen = tuple(x.shape)
        if self.linear and self._adjoint is not None:
            return apply_linear(x, self._measure, self._adjoint)
        prediction = self._measure(x)
        if x.requires_grad and torch.is_grad_enabled() and not prediction.requires_grad:
            lacking = "has no A_adjoint" if self.linear else "is not linear"
            raise ValueError(
                f"{self.name} {lacking}, and PyTorch cannot differentiate its A; write A in PyTorch, without detach()"
            )
        return prediction

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        if self._linear is None:
            self.input_shape(tuple(y.shape))
        if not self.linear or self._adjoint is None:
            return super().adjoint(y)
        return apply_linear(y, self._adjoint, self._measure)

    def input_shape(self, measurement_shape: Sequence[int]) -> Shape:
        shape = tuple(measurement_shape)
        self._seen = self._shape_of_image(shape)
        return self._seen

    def describe(self) -> str:
        return self.name

    def _measure(self, x: torch.Tensor) -> torch.Tensor:
        y = self._forward(x)
        if not isinstance(y, torch.Tensor):
            raise TypeError(f"{self.name}.A must give a tensor (N, C, H, W), got {type(y).__name__}")
        return y

    def _shape_of_image(self, shape: Shape) -> Shape:
        if self._image_shape is not None:
            return (shape[0], *self._image_shape)
        with torch.no_grad():
            if self._adjoint is not None and self._linear:
                return tuple(self._adjoint(torch.zeros(shape, device=self.device)).shape)
            cause: Exception | None = None
            # What is not linear may have an A_adjoint that is good for nothing but its own methods.
            for guess in (self._adjoint, torch.clone):
                if guess is None:
                    continue
                try:
                    image = guess(torch.zeros(shape, device=self.device))
                    if tuple(self._measure(torch.zeros_like(image)).shape) == shape:
                        return tuple(image.shape)
                except Exception as error:
                    cause = error
        raise ValueError(
            f"what image {self.name} makes a measurement {shape} of is not known; "
            "give as_operator(…, input_shape=(C, H, W))"
        ) from cause

    # --- whether it is linear --------------------------------------------------------------------------------

    def _tried(self) -> bool | None:
        """Whether it behaves as a linear operator does; None where no image is known that it takes."""
        known = self._seen
        if known is None and self._image_shape is not None:
            known = (1, *self._image_shape)
        for shape in _LIKELY_SHAPES if known is None else (known,):
            generator = torch.Generator().manual_seed(0)
            x, z = (torch.randn(shape, generator=generator).to(self.device) for _ in range(2))
            with torch.no_grad():
                try:
                    measured = self._measure(x), self._measure(z)
                except Exception:
                    if known is None:
                        continue
                    raise
                reason = self._difference(x, z, *measured)
            if reason is not None:
                note(
                    f"{self.name} does not say whether it is linear, and is taken as not linear: {reason} "
                    "(an attribute linear = True or False decides)"
                )
            return reason is None
        return None

    def _difference(
        self, x: torch.Tensor, z: torch.Tensor, of_x: torch.Tensor, of_z: torch.Tensor
    ) -> str | None:
        """In what it differs from a linear operator with its adjoint; None: in nothing."""
        # The factors do not sum to one, so that what adds a constant is found out.
        of_sum = self._measure(2 * x - 1.5 * z)
        scale = 2 * _norm(of_x) + 1.5 * _norm(of_z)
        if not _norm(of_sum - 2 * of_x + 1.5 * of_z) <= _LINEARITY * scale:
            return "A(2x − 1.5z) is not 2A(x) − 1.5A(z)"
        assert self._adjoint is not None
        try:
            back = self._adjoint(of_z)
            right = _inner(x, back)
        except Exception as error:
            return f"its A_adjoint fails ({' '.join(str(error).split())[:80]})"
        tolerance = max(_ADJOINTNESS / x.numel() ** 0.5, _ROUNDING)
        tolerance *= max(_norm(x) * _norm(back), _norm(of_x) * _norm(of_z))
        if back.shape != x.shape or not abs(_inner(of_x, of_z) - right) <= tolerance:
            return "A_adjoint is not the adjoint of A"
        return None


def _declared(physics: Any) -> bool | None:
    """What an object says of itself: by an attribute `linear`, or as a LinearPhysics of deepinv."""
    linear = getattr(physics, "linear", None)
    if isinstance(linear, bool):
        return linear
    for kind in type(physics).__mro__:
        if kind.__name__ == "LinearPhysics" and kind.__module__.partition(".")[0] == "deepinv":
            return True
    return None


def _norm(values: torch.Tensor) -> float:
    return exact_sum(widened(values.abs()).square()) ** 0.5


def _inner(one: torch.Tensor, other: torch.Tensor) -> float:
    return exact_sum((one.conj() * other).real)
