"""Bad input: one line that says what was wrong and what would be right, before any work starts."""

from __future__ import annotations

from collections.abc import Callable

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
    Stack,
    as_operator,
    from_functions,
    from_scipy,
)

IMAGE = torch.zeros(1, 3, 8, 12)
GREY = torch.zeros(1, 1, 8, 12)
KNOWN = np.ones((8, 12))

CASES: list[tuple[Callable[[], object], str]] = [
    (lambda: Mask(np.zeros((8, 12))), "knows no pixel"),
    (lambda: Mask(np.full((8, 12), np.nan)), "NaN"),
    (lambda: Mask(np.full((8, 12), 0.37)), "0.37"),
    (lambda: Mask(np.full((8, 12), 2)), "0 (missing) and 1 (known)"),
    (lambda: Mask(np.ones(12)), "(H, W), (C, H, W) or (N, C, H, W), got (12,)"),
    (lambda: Mask(np.ones((8, 12, 3))), "got (8, 12, 3)"),
    (lambda: Mask(np.array([["a", "b"]])), "numbers or booleans"),
    (
        lambda: Mask(KNOWN)(torch.zeros(1, 3, 9, 12)),
        "the mask is 8 × 12 pixels (height × width) and the image 9 × 12",
    ),
    (lambda: Mask(KNOWN).input_shape((1, 3, 8, 13)), "the image 8 × 13"),
    (lambda: Mask(np.ones((2, 8, 12)))(IMAGE), "the mask is for 2 channels and there are 3"),
    (lambda: Mask(np.ones((2, 1, 8, 12)))(IMAGE), "the mask is for 2 images and there are 1"),
    (lambda: Downsample(1), "scale must be an integer of at least 2, got 1"),
    (lambda: Downsample(1.5), "scale must be an integer of at least 2, got 1.5"),  # type: ignore[arg-type]
    (lambda: Downsample(True), "got True"),
    (
        lambda: Downsample(2, "cubic"),
        "unknown kernel 'cubic'; known are bicubic, lanczos2, lanczos3, box, gaussian",
    ),
    (lambda: Downsample(2, "gaussian"), "needs sigma"),
    (lambda: Downsample(2, "box", sigma=1.0), 'sigma belongs to kernel="gaussian" only'),
    (lambda: Downsample(2, "gaussian", sigma=-1.0), "sigma must be a positive number, got -1.0"),
    (lambda: Downsample(2, np.ones(5)), "two-dimensional array (height, width), got shape (5,)"),
    (lambda: Downsample(3)(IMAGE), "multiples of 3, got 8 × 12"),
    (lambda: Downsample(2)(IMAGE[0]), "(N, C, H, W), got (3, 8, 12)"),
    (lambda: Grayscale("rec2020"), "unknown grey weights 'rec2020'; known are 'bt601', 'bt709', 'mean'"),
    (lambda: Grayscale([1.0, 2.0]), "three finite numbers"),
    (lambda: Grayscale([1.0, -2.0, 1.0]), "sum to zero"),
    (lambda: Grayscale()(GREY), "takes 3 channels (N, 3, H, W), got (1, 1, 8, 12)"),
    (lambda: Grayscale().input_shape((1, 3, 8, 12)), "gives one channel, got a measurement (1, 3, 8, 12)"),
    (lambda: Mosaic("RGBG"), "'RGBG' is rawpy's color_desc, which names the numbers in raw_pattern"),
    (lambda: Mosaic(["RG", "GBR"]), "rows of equal length"),
    (lambda: Mosaic("RGGB")(GREY), "takes 3 channels"),
    (lambda: Blur(np.ones((4, 3))), "odd height and width, got 4 × 3"),
    (lambda: Blur(np.array([[-1.0, 0.0, 1.0]])), "sums to zero"),
    (lambda: Blur(np.full((3, 3), np.nan)), "NaN"),
    (lambda: Blur("gaussian"), "two-dimensional array of numbers, got str"),  # type: ignore[arg-type]
    (
        lambda: Blur(np.ones((3, 3)), "zero"),
        "unknown boundary 'zero'; known are reflect, circular, replicate, valid",
    ),
    (
        lambda: Blur(np.ones((17, 3)))(IMAGE),
        "reaches 8 × 1 pixels and cannot be reflected in an image of 8 × 12",
    ),
    (lambda: Blur(np.ones((9, 3)), "valid")(IMAGE), "(9 × 3) is larger than the image (8 × 12)"),
    (lambda: Blur.gaussian(0), "sigma must be a positive number"),
    (lambda: Blur.disk(float("nan")), "radius must be a positive number"),
    (lambda: Blur.motion(5, float("inf")), "angle must be a number of degrees"),
    (
        lambda: (Mask(KNOWN) @ Downsample(2))(IMAGE),
        "downsample(2) turns (1, 3, 8, 12) into (1, 3, 4, 6), "
        "to which mask(8 × 12, 100.0% known) cannot be applied",
    ),
    (
        lambda: (Mosaic("RGGB") @ Grayscale())(IMAGE),
        "grayscale turns (1, 3, 8, 12) into (1, 1, 8, 12), to which mosaic(rggb) cannot be applied",
    ),
    (
        lambda: (Downsample(2) @ Mask(KNOWN)).input_shape((1, 3, 8, 12)),
        "needs an input of shape (1, 3, 16, 24) for a measurement (1, 3, 8, 12)",
    ),
    (
        lambda: Stack([Identity(), Downsample(2)])(IMAGE),
        "identity gives (1, 3, 8, 12) and downsample(2) gives",
    ),
    (
        lambda: Stack([Grayscale(), Identity()]).input_shape((1, 5, 8, 12)),
        "no image has a measurement (1, 5, 8, 12)",
    ),
    (
        lambda: from_scipy(scipy.sparse.linalg.aslinearoperator(np.ones((4, 6))), (1, 2, 2), (1, 2, 2)),
        "input_shape must be (C, H, W) with C·H·W = 6 as the operator has it, got (1, 2, 2)",
    ),
    (
        lambda: from_scipy(np.ones((4, 6)), (1, 2, 3), (1, 2, 2))(IMAGE),
        "takes an image of shape (N, 1, 2, 3), got (1, 3, 8, 12)",
    ),
    (lambda: from_functions(torch.sin, torch.cos, linear=False), "not linear has no adjoint"),
    (lambda: from_functions(torch.clone, input_shape=(3, 4)), "input_shape must be (C, H, W) or a function"),
]


@pytest.mark.parametrize(("action", "message"), CASES, ids=[message[:50] for _, message in CASES])
def test_value_error_says_what_is_wrong(action: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        action()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: Identity() @ 3, "composed with an operator only, got int"),  # type: ignore[operator]
        (lambda: Stack([]), "at least one Operator"),
        (lambda: as_operator(np.ones(3)), "got ndarray"),
        (lambda: as_operator(scipy.sparse.eye(4)), "needs input_shape=(C, H, W)"),
        (lambda: from_functions(3), "must be functions"),  # type: ignore[arg-type]
    ],
)
def test_type_error_says_what_is_wrong(action: Callable[[], object], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        action()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
