"""Every operator: the adjoint is exact, gradients go through it, and the norm is safe for step sizes."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse.linalg
import torch

from zeroshot.operators import (
    Blur,
    Downsample,
    Grayscale,
    Identity,
    Mask,
    Mosaic,
    Operator,
    Stack,
    as_operator,
    from_functions,
    from_scipy,
)


def weights(height: int, width: int, positive: bool = False) -> np.ndarray:
    """A kernel without symmetry that is not separable."""
    values = np.random.default_rng(height * 31 + width).standard_normal((height, width))
    return np.abs(values) if positive else values + 0.5


def holes(height: int, width: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(5).random((channels, height, width)) < 0.4


class Physics(torch.nn.Module):
    """The two methods by which deepinv's physics are known."""

    def A(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, ::2].roll(1, dims=-1) * 1.5

    def A_adjoint(self, y: torch.Tensor) -> torch.Tensor:
        x = y.new_zeros(*y.shape[:2], y.shape[2] * 2, y.shape[3])
        x[:, :, ::2] = y.roll(-1, dims=-1) * 1.5
        return x


def scipy_operator() -> Operator:
    matrix = np.random.default_rng(2).standard_normal((12, 2 * 4 * 5))
    return from_scipy(scipy.sparse.linalg.aslinearoperator(matrix), (2, 4, 5), (1, 3, 4))


# name → operator, shape of the image
CASES: dict[str, tuple[Operator, tuple[int, ...]]] = {
    "identity": (Identity(), (2, 3, 5, 7)),
    "mask": (Mask(holes(7, 9)), (2, 3, 7, 9)),
    "mask per channel": (Mask(holes(7, 9, 3)), (1, 3, 7, 9)),
    "grayscale": (Grayscale(), (2, 3, 5, 7)),
    "grayscale own": (Grayscale([0.5, -0.2, 1.1]), (1, 3, 6, 6)),
    "bayer odd": (Mosaic("GRBG"), (2, 3, 7, 9)),
    "quad": (Mosaic("quad-rggb"), (1, 3, 9, 6)),
    "xtrans": (Mosaic("xtrans"), (1, 3, 13, 8)),
    "bicubic 2": (Downsample(2), (2, 3, 12, 18)),
    "bicubic 3 grey": (Downsample(3), (1, 1, 15, 21)),
    "bicubic 4 several blocks": (Downsample(4), (1, 1, 72, 8)),
    "bicubic 8 tiny": (Downsample(8), (1, 2, 8, 16)),
    "lanczos2": (Downsample(2, "lanczos2"), (1, 3, 14, 10)),
    "lanczos3": (Downsample(4, "lanczos3"), (1, 1, 16, 24)),
    "box": (Downsample(3, "box"), (2, 1, 9, 12)),
    "gaussian down": (Downsample(4, "gaussian", sigma=1.6), (1, 3, 16, 20)),
    "custom odd, even scale": (Downsample(2, weights(5, 3)), (1, 2, 12, 8)),
    "custom even, odd scale": (Downsample(3, weights(4, 4)), (1, 1, 12, 15)),
    "custom by Fourier": (Downsample(4, weights(9, 11)), (2, 1, 20, 24)),
    "custom smaller than block": (Downsample(4, weights(3, 2)), (1, 1, 12, 16)),
    "blur small": (Blur(weights(3, 3)), (2, 3, 9, 11)),
    "blur rows only": (Blur(weights(1, 5)), (1, 1, 6, 9)),
    "blur valid": (Blur(weights(3, 5), "valid"), (1, 3, 10, 12)),
    "blur gaussian": (Blur.gaussian(0.8), (1, 3, 13, 11)),
    "blur disk circular": (Blur.disk(2.5, "circular"), (2, 1, 11, 8)),
    "blur motion replicate": (Blur.motion(7, 30, "replicate"), (1, 3, 13, 9)),
    "blur fourier reflect": (Blur(weights(9, 7)), (1, 2, 12, 17)),
    "blur fourier valid": (Blur(weights(7, 9), "valid"), (1, 1, 12, 15)),
    "blur wraps more than once": (Blur(weights(9, 9), "circular"), (1, 1, 4, 3)),
    "blur replicate larger than image": (Blur(weights(9, 9), "replicate"), (1, 1, 4, 3)),
    "joint": (Mosaic("RGGB") @ Downsample(2), (2, 3, 16, 12)),
    "chain of three": (Mask(holes(4, 5)) @ Grayscale() @ Downsample(2, "lanczos2"), (1, 3, 8, 10)),
    "blurred, shrunk": (Downsample(2, "box") @ Blur.gaussian(0.6, "valid"), (1, 1, 16, 14)),
    "hints": (Stack([Grayscale(), Mask(holes(6, 7))]), (2, 3, 6, 7)),
    "two views": (Stack([Downsample(2), Downsample(2, "box")]), (1, 3, 8, 12)),
    "stack in a chain": (Stack([Grayscale(), Identity()]) @ Downsample(2), (1, 3, 8, 8)),
    "scipy": (scipy_operator(), (3, 2, 4, 5)),
    "functions": (from_functions(lambda x: x.flip(-1) * 2, lambda y: y.flip(-1) * 2), (1, 3, 5, 6)),
    "function alone": (from_functions(lambda x: x.cumsum(dim=-1)), (1, 1, 5, 6)),
    "physics": (as_operator(Physics()), (2, 3, 6, 5)),
}
every = pytest.mark.parametrize("name", CASES)


@every
def test_inner_products_agree(name: str, generator: torch.Generator) -> None:
    operator, shape = CASES[name]
    x = torch.randn(shape, generator=generator)
    prediction = operator(x)
    y = torch.randn(prediction.shape, generator=generator)
    left = (prediction.double() * y).sum()
    right = (x.double() * operator.adjoint(y)).sum()
    scale = torch.linalg.vector_norm(prediction.double()) * torch.linalg.vector_norm(y.double())
    assert abs(left - right) <= 1e-5 * scale / np.sqrt(y.numel())


@every
def test_gradient_of_half_squared_error_is_adjoint_of_residual(name: str, generator: torch.Generator) -> None:
    operator, shape = CASES[name]
    x = torch.randn(shape, generator=generator, requires_grad=True)
    y = torch.randn(operator(x).shape, generator=generator)
    (0.5 * (operator(x) - y).square().sum()).backward()
    expected = operator.adjoint((operator(x) - y).detach())
    torch.testing.assert_close(x.grad, expected, rtol=1e-4, atol=1e-4)


@every
def test_shapes_are_known_beforehand(name: str) -> None:
    operator, shape = CASES[name]
    measurement = operator(torch.zeros(shape))
    assert operator.output_shape(shape) == tuple(measurement.shape)
    assert tuple(operator.input_shape(tuple(measurement.shape))) == shape
    assert tuple(operator.adjoint(measurement).shape) == shape
    assert tuple(operator.initial(measurement).shape) == shape


def dense_norm(operator: Operator, shape: tuple[int, ...]) -> float:
    basis = torch.eye(int(np.prod(shape[1:]))).view(-1, *shape[1:])
    rows = operator(basis).flatten(1).double()
    return float(
        torch.linalg.eigvalsh(rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows)[-1].sqrt()
    )


@every
def test_norm_is_never_too_small_and_hardly_too_large(name: str) -> None:
    operator, shape = CASES[name]
    shape = (1, *shape[1:])
    truth = dense_norm(operator, shape)
    value = operator.norm(operator.output_shape(shape))
    # The bound of a stack holds whatever the operators have in common.
    slack = 1.25 if isinstance(operator, Stack) else 1.01
    assert truth * (1 - 1e-3) <= value <= truth * slack


@pytest.mark.parametrize(
    ("operator", "channels"),
    [
        (Blur(weights(5, 5)), 3),
        (Blur(weights(5, 5), "circular"), 3),
        (Blur(weights(3, 3), "valid"), 3),
        (Blur.gaussian(1.5), 3),
        (Downsample(4), 3),
        (Downsample(2, weights(7, 7)), 3),
        (Mosaic("RGGB") @ Downsample(2), 1),
    ],
    ids=lambda value: value.describe() if isinstance(value, Operator) else "",
)
def test_norm_without_a_shape_holds_for_larger_images(operator: Operator, channels: int) -> None:
    assert operator.norm() >= operator.norm((1, channels, 150, 110)) * (1 - 2e-3)


def test_norm_of_a_large_image_holds_for_the_whole_image(generator: torch.Generator) -> None:
    operator = Blur(weights(5, 5))  # gains most at a frequency that a small image cannot show exactly
    from zeroshot.operators.linear import largest_singular_value

    truth = largest_singular_value(operator, (1, 1, 300, 300), iterations=300, tolerance=1e-5)
    assert truth * (1 - 1e-3) <= operator.norm((1, 1, 300, 300)) <= truth * 1.02


@pytest.mark.parametrize(
    "name", ["joint", "blur fourier reflect", "bicubic 3 grey", "custom by Fourier", "hints"]
)
def test_second_derivatives_exist(name: str, generator: torch.Generator) -> None:
    operator, shape = CASES[name]
    x = torch.randn(shape, generator=generator, requires_grad=True)
    loss = 0.5 * operator(x).square().sum()
    (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
    direction = torch.randn(shape, generator=generator)
    (curvature,) = torch.autograd.grad((gradient * direction).sum(), x)
    torch.testing.assert_close(curvature, operator.adjoint(operator(direction)), rtol=1e-4, atol=1e-4)


@every
def test_bfloat16_and_autocast_lose_no_precision(name: str, generator: torch.Generator) -> None:
    if name in ("identity", "functions", "function alone", "scipy", "physics"):
        pytest.skip("leaves the dtype to the function it wraps")
    operator, shape = CASES[name]
    x = torch.rand(shape, generator=generator)
    expected = operator(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(operator(x), expected, rtol=1e-5, atol=1e-5)
    assert operator(x.bfloat16()).dtype == torch.float32


@every
def test_says_what_it_is_in_one_line(name: str) -> None:
    operator, _ = CASES[name]
    assert operator.describe()
    assert "\n" not in repr(operator)
    assert operator.describe() in repr(operator)


def test_operators_hold_nothing_to_learn_and_nothing_to_save() -> None:
    for operator, _ in CASES.values():
        assert not list(operator.parameters())
        assert not operator.state_dict()
