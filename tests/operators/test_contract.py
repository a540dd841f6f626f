"""Every operator holds the contract."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse.linalg
import torch

from tests.contract import OperatorCase, OperatorContract
from zeroshot.operators import (
    Blur,
    Downsample,
    Grayscale,
    Identity,
    Mask,
    Mosaic,
    Operator,
    SpaceVaryingBlur,
    Stack,
    as_operator,
    from_functions,
    from_scipy,
)


def weights(height: int, width: int, positive: bool = False) -> np.ndarray:
    """A kernel without symmetry that is not separable."""
    values = np.random.default_rng(height * 31 + width).standard_normal((height, width))
    return np.abs(values) if positive else values + 0.5


def grid(rows: int, columns: int, height: int, width: int) -> np.ndarray:
    """Kernels without symmetry, another one at each place."""
    return np.random.default_rng(rows).random((rows, columns, height, width)) + 0.05


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
    "blur on a grid": (SpaceVaryingBlur(grid(2, 3, 5, 3)), (1, 3, 13, 17)),
    "blur on a grid, valid": (SpaceVaryingBlur(grid(3, 2, 3, 5), "valid"), (2, 1, 14, 19)),
    "blur on a grid, circular": (SpaceVaryingBlur(grid(1, 3, 3, 3), "circular"), (1, 2, 9, 12)),
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
#: A map that is not linear, and a mask for each image of a batch.
CASES["squared"] = (from_functions(lambda x: x.square(), linear=False) @ Downsample(2, "box"), (2, 1, 6, 8))
CASES["mask per image"] = (Mask(np.random.default_rng(6).random((2, 1, 7, 9)) < 0.4), (2, 3, 7, 9))
#: Those that leave the dtype to the function that they wrap.
WRAPPED = {"identity", "functions", "function alone", "scipy", "physics", "squared"}


class TestEveryOperator(OperatorContract):
    @pytest.fixture(params=CASES)
    def case(self, request: pytest.FixtureRequest) -> OperatorCase:
        operator, shape = CASES[request.param]
        # The bound of a stack holds whatever the operators have in common.
        slack = 1.25 if isinstance(operator, Stack) else 1.01
        return OperatorCase(operator, shape, slack, keeps_precision=request.param not in WRAPPED)
