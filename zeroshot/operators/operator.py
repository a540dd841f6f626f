"""The contract of an operator A, the damage, and the composition ``A @ B``."""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import nn

from zeroshot.operators.linear import largest_singular_value
from zeroshot.operators.window import Locality, Window

Shape = tuple[int, ...]

#: Height and width of the measurement on which the norm of a composition is computed.
_SIZE_FOR_NORM = 96
#: Pixels up to which that is also done at a size that cannot be chosen.
_LARGEST_FOR_NORM = 512 * 512


class Operator(nn.Module):
    """A differentiable map from images to measurements.

    Operators hold no learnable parameters. Linear ones (`linear` is True) have an exact adjoint,
    ⟨A x, y⟩ = ⟨x, Aᵀ y⟩. Tensors are (N, C, H, W), float.

    A subclass defines :meth:`forward` and :meth:`input_shape`. It overrides :meth:`adjoint`, :meth:`norm` and
    :meth:`initial` where it has something faster or better, and both :meth:`locality` and :meth:`crop` where
    each measurement depends on nearby pixels only, so that large images can be restored in tiles.
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
        """A cheap first estimate of the image: Aᵀ y, scaled to the right level.

        Without an adjoint the measurement is the best guess there is, where it has the image's shape, else grey.
        """
        if not self.linear:
            shape = self.input_shape(tuple(y.shape))
            return y if shape == tuple(y.shape) else y.new_full(shape, 0.5)
        level = self.adjoint(
            self(torch.ones(self.input_shape(tuple(y.shape)), dtype=y.dtype, device=y.device))
        )
        return self.adjoint(y) / level.clamp(min=1e-3)

    def locality(self) -> Locality:
        """How locally the operator acts, which says where it can be cropped.

        Raises
        ------
        ValueError
            Where it cannot be cropped, with the reason in one line. That is so unless a subclass says otherwise.
        """
        raise ValueError(f"{self.describe()} is not known to act locally; it cannot be cropped")

    def crop(self, window: Window) -> tuple[Operator, Window]:
        """The operator on a part of its image.

        Parameters
        ----------
        window : Window
            The part, placed as :meth:`locality` asks.

        Returns
        -------
        operator : Operator
            The damage of the part.
        window : Window
            Where its measurement lies in the measurement of the whole.

        Raises
        ------
        ValueError
            Where the operator cannot be cropped, or not to this window.
        """
        self.locality()
        raise ValueError(
            f"{self.describe()} cannot be cropped; it says how locally it acts and has no crop()"
        )

    def describe(self) -> str:
        """One line that says what the operator does, for messages and provenance."""
        return type(self).__name__.lower()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.describe()}>"

    def __matmul__(self, other: Operator) -> Operator:
        return Composition(self, other)


class Composition(Operator):
    """A x = outer(inner(x)), written ``outer @ inner``; nested compositions become one chain.

    Parameters
    ----------
    outer, inner : Operator
        `inner` acts on the image, `outer` on what comes out.
    """

    def __init__(self, outer: Operator, inner: Operator) -> None:
        super().__init__()
        chain: list[Operator] = []
        for part in (outer, inner):
            if not isinstance(part, Operator):
                raise TypeError(
                    f"an operator can be composed with an operator only, got {type(part).__name__}; "
                    "see zeroshot.operators.as_operator"
                )
            chain.extend(part.operators if isinstance(part, Composition) else [part])
        #: Outermost first, as written.
        self.operators: Sequence[Operator] = nn.ModuleList(chain)  # type: ignore[assignment]

    @property
    def linear(self) -> bool:  # type: ignore[override]
        """Whether all its operators are; asked when it matters, as some find out on their first image."""
        return all(part.linear for part in self.operators)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = tuple(x.shape)
        for position, part in reversed(list(enumerate(self.operators))):
            try:
                x = part(x)
            except ValueError as error:
                raise self._misfit(position, shape, tuple(x.shape), error) from error
        return x

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        if not self.linear:
            raise NotImplementedError(f"{self.describe()} is not linear and has no adjoint")
        for part in self.operators:
            y = part.adjoint(y)
        return y

    def input_shape(self, measurement_shape: Sequence[int]) -> Shape:
        shape = tuple(measurement_shape)
        for position, part in enumerate(self.operators):
            try:
                shape = part.input_shape(shape)
            except ValueError as error:
                if position == 0:
                    raise
                raise ValueError(
                    f"{self.operators[position - 1].describe()} needs an input of shape {shape} for a "
                    f"measurement {tuple(measurement_shape)}, which {part.describe()} cannot give: {error}"
                ) from error
        return shape

    def output_shape(self, image_shape: Sequence[int]) -> Shape:
        shape = tuple(image_shape)
        for position, part in reversed(list(enumerate(self.operators))):
            try:
                shape = part.output_shape(shape)
            except ValueError as error:
                raise self._misfit(position, tuple(image_shape), shape, error) from error
        return shape

    def _misfit(self, position: int, image: Shape, reached: Shape, error: ValueError) -> ValueError:
        if position == len(self.operators) - 1:
            return error
        before = " @ ".join(part.describe() for part in self.operators[position + 1 :])
        return ValueError(
            f"{before} turns {image} into {reached}, to which {self.operators[position].describe()} "
            f"cannot be applied: {error}"
        )

    def for_image(self, index: int, count: int) -> Operator:
        parts = [part.for_image(index, count) for part in self.operators]
        return functools.reduce(Composition, parts)

    def norm(self, measurement_shape: Sequence[int] | None = None) -> float:
        """‖A‖₂ from above.

        It is measured on a small image, and one percent is added where the image at hand is larger or not
        known. A chain that prescribes a large size, because of a mask in it, gets the product of the
        operators' norms, which is never exceeded otherwise either.
        """
        if not self.linear:
            raise NotImplementedError(f"{self.describe()} is not linear and has no norm")
        shape = (1, *tuple(measurement_shape or self._fitting_shape())[1:])
        bound = self._product_bound(shape)
        image = self.input_shape(shape)
        margin = 1.0 if measurement_shape is not None else 1.01
        small = (*shape[:2], *(min(length, _SIZE_FOR_NORM) for length in shape[2:]))
        if small != shape:
            try:
                image, margin = self.input_shape(small), 1.01
            except ValueError:
                if math.prod(shape[2:]) > _LARGEST_FOR_NORM:
                    return bound
        return min(margin * largest_singular_value(self, image, self.device), bound)

    def _fitting_shape(self) -> Shape:
        for channels in (3, 1):
            shape = (1, channels, 64, 64)
            try:
                self.input_shape(shape)
            except ValueError:
                continue
            return shape
        raise ValueError(
            f"the norm of {self.describe()} depends on the size; give measurement_shape=(N, C, H, W)"
        )

    def _product_bound(self, shape: Shape) -> float:
        bound = 1.0
        for part in self.operators:
            bound *= part.norm(shape)
            shape = part.input_shape(shape)
        return bound

    def locality(self) -> Locality:
        align, reach, scale = 1, 0, 1
        for part in reversed(list(self.operators)):
            asked = part.locality()
            align = math.lcm(align, scale * asked.align)
            reach += scale * asked.reach
            scale *= asked.scale
        return Locality(align, reach, scale)

    def crop(self, window: Window) -> tuple[Operator, Window]:
        parts: list[Operator] = []
        for whole in reversed(list(self.operators)):
            part, window = whole.crop(window)
            parts.insert(0, part)
        return functools.reduce(Composition, parts), window

    def initial(self, y: torch.Tensor) -> torch.Tensor:
        for part in self.operators:
            y = part.initial(y)
        return y

    def describe(self) -> str:
        return " @ ".join(part.describe() for part in self.operators)


def require_image(shape: Sequence[int], operator: Operator, channels: int | None = None) -> None:
    """Raise unless `shape` is (N, C, H, W), with that many channels where a number is given."""
    if len(shape) != 4:
        raise ValueError(f"{operator.describe()} takes tensors of shape (N, C, H, W), got {tuple(shape)}")
    if channels is not None and shape[1] != channels:
        raise ValueError(
            f"{operator.describe()} takes {channels} channel{'s' * (channels != 1)} (N, {channels}, H, W), "
            f"got {tuple(shape)}"
        )
