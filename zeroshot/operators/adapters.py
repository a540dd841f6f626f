"""Operators of other libraries: SciPy's linear operators, pairs of functions, deepinv's physics."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch

from zeroshot.operators.linear import apply_linear
from zeroshot.operators.operator import Operator, Shape
from zeroshot.operators.physics import PhysicsOperator

InputShape = Callable[[Shape], Sequence[int]] | Sequence[int] | None


class _SciPyOperator(Operator):
    """A matrix-free SciPy operator on flattened images."""

    def __init__(self, operator: Any, input_shape: Shape, output_shape: Shape) -> None:
        super().__init__()
        self.operator, self.image_shape, self.data_shape = operator, input_shape, output_shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._check(x.shape, self.image_shape, "an image")
        return apply_linear(x, self._matvec, self._rmatvec)

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        self._check(y.shape, self.data_shape, "a measurement")
        return apply_linear(y, self._rmatvec, self._matvec)

    def _matvec(self, x: torch.Tensor) -> torch.Tensor:
        return self._each(x, self.operator.matvec, self.data_shape)

    def _rmatvec(self, y: torch.Tensor) -> torch.Tensor:
        return self._each(y, self.operator.rmatvec, self.image_shape)

    @staticmethod
    def _each(
        batch: torch.Tensor, function: Callable[[np.ndarray], np.ndarray], shape: Shape
    ) -> torch.Tensor:
        vectors = batch.detach().cpu().flatten(1).numpy()
        results = [np.asarray(function(vector)).reshape(shape) for vector in vectors]
        return torch.from_numpy(np.stack(results)).to(batch)

    def input_shape(self, measurement_shape: Sequence[int]) -> Shape:
        self._check(measurement_shape, self.data_shape, "a measurement")
        return (measurement_shape[0], *self.image_shape)

    def output_shape(self, image_shape: Sequence[int]) -> Shape:
        self._check(image_shape, self.image_shape, "an image")
        return (image_shape[0], *self.data_shape)

    def norm(self, measurement_shape: Sequence[int] | None = None) -> float:
        return super().norm(measurement_shape or (1, *self.data_shape))

    def describe(self) -> str:
        rows, columns = self.operator.shape
        return f"scipy({rows} × {columns})"

    def _check(self, shape: Sequence[int], expected: Shape, what: str) -> None:
        if len(shape) != 4 or tuple(shape[1:]) != expected:
            raise ValueError(
                f"{self.describe()} takes {what} of shape (N, {', '.join(map(str, expected))}), "
                f"got {tuple(shape)}"
            )


def from_scipy(linear_operator: Any, input_shape: Sequence[int], output_shape: Sequence[int]) -> Operator:
    """An operator from a SciPy LinearOperator or sparse matrix; each image of a batch becomes a vector.

    Parameters
    ----------
    linear_operator : scipy.sparse.linalg.LinearOperator, sparse matrix or two-dimensional array
        Real; its `rmatvec` must be implemented. It runs on the CPU.
    input_shape, output_shape : (C, H, W)
        The shapes of one image and of one measurement, flattened in C order.

    Raises
    ------
    ValueError
        If the shapes do not fit the operator's numbers of columns and rows.
    """
    wrapped = scipy.sparse.linalg.aslinearoperator(linear_operator)
    shapes = [tuple(int(length) for length in shape) for shape in (input_shape, output_shape)]
    for name, shape, size in zip(("input_shape", "output_shape"), shapes, wrapped.shape[::-1], strict=True):
        if len(shape) != 3 or math.prod(shape) != size:
            raise ValueError(
                f"{name} must be (C, H, W) with C·H·W = {size} as the operator has it, got {shape}"
            )
    return _SciPyOperator(wrapped, *shapes)


class _FunctionOperator(Operator):
    """An operator from a forward map and its adjoint."""

    def __init__(
        self,
        forward: Callable[[torch.Tensor], torch.Tensor],
        adjoint: Callable[[torch.Tensor], torch.Tensor] | None,
        input_shape: InputShape,
        linear: bool,
        name: str,
    ) -> None:
        super().__init__()
        self._forward, self._adjoint, self._input_shape = forward, adjoint, input_shape
        self.linear, self.name = linear, name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._forward(x) if self._adjoint is None else apply_linear(x, self._forward, self._adjoint)

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        return super().adjoint(y) if self._adjoint is None else apply_linear(y, self._adjoint, self._forward)

    def input_shape(self, measurement_shape: Sequence[int]) -> Shape:
        shape = tuple(measurement_shape)
        if self._input_shape is None:
            return shape
        if callable(self._input_shape):
            return tuple(self._input_shape(shape))
        return (shape[0], *self._input_shape)

    def describe(self) -> str:
        return self.name


def from_functions(
    forward: Callable[[torch.Tensor], torch.Tensor],
    adjoint: Callable[[torch.Tensor], torch.Tensor] | None = None,
    input_shape: InputShape = None,
    linear: bool = True,
) -> Operator:
    """An operator from functions on (N, C, H, W) tensors.

    Parameters
    ----------
    forward : callable
        Image → measurement.
    adjoint : callable, optional
        Measurement → image, ⟨forward(x), y⟩ = ⟨x, adjoint(y)⟩. With it, gradients go through the adjoint, and
        `forward` need not be differentiable. Without it, PyTorch differentiates `forward`.
    input_shape : callable or (C, H, W), optional
        The shape of the image: fixed, or a function of the measurement's shape (N, C, H, W) that gives
        (N, C, H, W). Default: the measurement's own.
    linear : bool
        Whether `forward` is linear. A map that is not linear has no adjoint.
    """
    if not callable(forward) or not (adjoint is None or callable(adjoint)):
        raise TypeError("forward and adjoint must be functions of a tensor")
    if not linear and adjoint is not None:
        raise ValueError("a map that is not linear has no adjoint; leave adjoint out")
    if not (input_shape is None or callable(input_shape)):
        input_shape = tuple(int(length) for length in input_shape)
        if len(input_shape) != 3:
            raise ValueError(f"input_shape must be (C, H, W) or a function, got {input_shape}")
    name = getattr(forward, "__name__", type(forward).__name__)
    return _FunctionOperator(
        forward, adjoint, input_shape, linear, "function" if name == "<lambda>" else name
    )


def as_operator(
    thing: Any, input_shape: Sequence[int] | None = None, output_shape: Sequence[int] | None = None
) -> Operator:
    """Whatever can serve as an operator, as an :class:`Operator`.

    Parameters
    ----------
    thing : Operator, deepinv-like physics, SciPy LinearOperator or sparse matrix
        A physics is anything that has a method `A` on (N, C, H, W) tensors. It is linear if it has an attribute
        `linear` that is True, or derives from deepinv's LinearPhysics. Where it has neither, but an
        `A_adjoint`, it is linear if `A` and `A_adjoint` are found to be a linear map and its adjoint on images
        of noise. Else it is not linear: `A_adjoint` is not used, PyTorch differentiates `A`, and priors that
        need a linear operator refuse it.
    input_shape, output_shape : (C, H, W), optional
        Shapes of one image and one measurement; SciPy operators need both, a physics the first where its
        measurements have another shape than its images and `A_adjoint` does not tell.

    Raises
    ------
    TypeError
        If `thing` is none of these, or a SciPy operator comes without shapes.
    ValueError
        If a shape does not fit.
    """
    if isinstance(thing, Operator):
        return thing
    if callable(getattr(thing, "A", None)):
        return PhysicsOperator(thing, input_shape)
    if isinstance(thing, scipy.sparse.linalg.LinearOperator) or scipy.sparse.issparse(thing):
        if input_shape is None or output_shape is None:
            raise TypeError(
                "a SciPy operator works on vectors and needs input_shape=(C, H, W) and output_shape=(C, H, W)"
            )
        return from_scipy(thing, input_shape, output_shape)
    raise TypeError(
        f"expected an Operator, a SciPy LinearOperator or an object with a method A, and A_adjoint where it is linear, "
        f"got {type(thing).__name__}"
    )
