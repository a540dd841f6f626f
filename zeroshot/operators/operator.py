"""The contract of an operator A, the damage, and the composition ``A @ B``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import nn

from zeroshot.operators.linear import largest_singular_value

Shape = tuple[int, ...]


class Operator(nn.Module):
    """A differentiable map from images to measurements.

    Operators hold no learnable parameters. Linear ones (`linear` is True) have an exact adjoint,
    ⟨A x, y⟩ = ⟨x, Aᵀ y⟩. Tensors are (N, C, H, W), float.
    """

    linear: bool = True

    @abstractmethod
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The measurement A(x) of the image `x`."""

    @abstractmethod
    def input_shape(self, measurement_shape: Sequence[int]) -> Shape:
        """The shape (N, C, H, W) of the images whose measurement has this shape."""

    def output_shape(self, image_shape: Sequence[int]) -> Shape:
        """The shape (N, C, H, W) of the measurement of an image of this shape."""
        with torch.no_grad():
            return tuple(self(torch.zeros(tuple(image_shape), device=self.device)).shape)

    @property
    def device(self) -> torch.device:
        """Where the operator's buffers lie; the CPU for operators without any."""
        buffer = next(self.buffers(), None)
        return torch.device("cpu") if buffer is None else buffer.device

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        """Aᵀ y. By default it is the vector–Jacobian product of the forward map."""
        if not self.linear:
            raise NotImplementedError(f"{self.describe()} is not linear and has no adjoint")
        x = torch.zeros(self.input_shape(tuple(y.shape)), dtype=y.dtype, device=y.device, requires_grad=True)
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(self(x), x, y, create_graph=y.requires_grad)
        return gradient

    def norm(self, measurement_shape: Sequence[int] | None = None) -> float:
        """‖A‖₂, or a tight upper bound.

        Operators with a closed form need no shape; the others run a Lanczos process on images that belong to
        `measurement_shape` (default: a 1 × 3 × 64 × 64 measurement or what fits the operator; the edge of a
        much smaller image can raise the norm by a few percent, so give the shape where it is known).
        """
        if not self.linear:
            raise NotImplementedError(f"{self.describe()} is not linear and has no norm")
        shape = tuple(measurement_shape or (1, 3, 64, 64))
        return largest_singular_value(self, self.input_shape((1, *shape[1:])), self.device)

    def for_image(self, index: int, count: int) -> Operator:
        """The operator for image `index` of `count`: itself, unless it holds something for each image."""
        return self

    def initial(self, y: torch.Tensor) -> torch.Tensor:
        """A cheap first estimate of the image: Aᵀ y, scaled to the right level."""
        level = self.adjoint(
            self(torch.ones(self.input_shape(tuple(y.shape)), dtype=y.dtype, device=y.device))
        )
        return self.adjoint(y) / level.clamp(min=1e-3)

    def describe(self) -> str:
        """One line that says what the operator does, for messages and provenance."""
        return type(self).__name__.lower()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.describe()}>"

    def __matmul__(self, other: Operator) -> Operator:
        from zeroshot.operators.composition import Composition

        return Composition(self, other)


def require_image(shape: Sequence[int], operator: Operator, channels: int | None = None) -> None:
    """Raise unless `shape` is (N, C, H, W), with that many channels where a number is given."""
    if len(shape) != 4:
        raise ValueError(f"{operator.describe()} takes tensors of shape (N, C, H, W), got {tuple(shape)}")
    if channels is not None and shape[1] != channels:
        raise ValueError(
            f"{operator.describe()} takes {channels} channel{'s' * (channels != 1)} (N, {channels}, H, W), "
            f"got {tuple(shape)}"
        )
