"""The first estimates: consistent with the measurement, constant where it is constant, cheap but sensible."""

from __future__ import annotations

import pytest
import torch

from tests.pictures import decibels, seeded, uniform
from zeroshot.operators import (
    Blur,
    Downsample,
    Grayscale,
    Identity,
    Mask,
    Mosaic,
    Operator,
    Stack,
    fill_holes,
)

PATTERNS = ["RGGB", "BGGR", "GRBG", "GBRG", "quad-rggb", "quad-bggr", "quad-grbg", "quad-gbrg", "xtrans"]


def scattered(fraction: float, size: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
    return (torch.rand((1, 1, *size), generator=generator) < fraction).float()


def operators() -> list[Operator]:
    generator = seeded(3)
    mask = scattered(0.3, (24, 36), generator)
    return [
        Identity(),
        Mask(mask),
        Downsample(4),
        Downsample(3, "lanczos3"),
        Downsample(2, torch.rand((5, 5), generator=generator)),
        Grayscale(),
        Grayscale("mean"),
        *(Mosaic(pattern) for pattern in PATTERNS),
        Blur.gaussian(1.5),
        Blur.disk(3, "valid"),
        Mosaic("RGGB") @ Downsample(2),
        Mask(mask) @ Blur.gaussian(1.0),
        Stack([Grayscale(), Mask(mask)]),
    ]


@pytest.mark.parametrize("operator", operators(), ids=lambda operator: operator.describe())
def test_constant_images_stay_constant(operator: Operator) -> None:
    image = torch.full((1, 3, 24, 36), 0.6)
    estimate = operator.initial(operator(image))
    torch.testing.assert_close(estimate, image, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "operator",
    [
        Grayscale(),
        Grayscale("bt709"),
        Grayscale([1.0, 2.0, 3.0]),
        *(Mosaic(pattern) for pattern in PATTERNS),
    ],
    ids=lambda operator: operator.describe(),
)
def test_estimate_fits_the_measurement_exactly(operator: Operator, photograph: torch.Tensor) -> None:
    y = operator(photograph)
    torch.testing.assert_close(operator(operator.initial(y)), y, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "operator",
    [
        Downsample(2),
        Downsample(4, "lanczos2"),
        Downsample(2, torch.ones(5, 5)),
        Mosaic("RGGB") @ Downsample(2),
    ],
    ids=lambda operator: operator.describe(),
)
def test_enlargement_fits_the_measurement_closely(operator: Operator, photograph: torch.Tensor) -> None:
    y = operator(photograph)
    assert decibels(operator(operator.initial(y)), y) > decibels(y.mean(), y) + 8


@pytest.mark.parametrize("size", [(4, 4), (5, 5), (5, 4)])
def test_enlargement_is_aligned_with_the_kernel(size: tuple[int, int]) -> None:
    operator = Downsample(4, torch.ones(size))
    ramp = torch.linspace(0, 1, 96).view(1, 1, -1, 1) + torch.linspace(0, 2, 80)
    estimate = operator.initial(operator(ramp))
    torch.testing.assert_close(estimate[..., 16:-16, 16:-16], ramp[..., 16:-16, 16:-16], rtol=0, atol=1e-4)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_demosaicing_reproduces_a_smooth_image(pattern: str) -> None:
    rows, columns = torch.meshgrid(torch.linspace(0, 3, 61), torch.linspace(0, 3, 47), indexing="ij")
    image = torch.stack([rows.sin(), columns.cos(), (rows * columns).cos()])[None] * 0.5
    mosaic = Mosaic(pattern)
    assert decibels(mosaic.initial(mosaic(image)), image) > 36


def test_bayer_estimate_is_bilinear() -> None:
    y = uniform(1, 1, 6, 6)
    red, green, blue = Mosaic("RGGB").initial(y)[0]
    plane = y[0, 0]
    torch.testing.assert_close(green[2, 2], (plane[1, 2] + plane[3, 2] + plane[2, 1] + plane[2, 3]) / 4)
    torch.testing.assert_close(red[2, 3], (plane[2, 2] + plane[2, 4]) / 2)
    torch.testing.assert_close(blue[2, 2], (plane[1, 1] + plane[1, 3] + plane[3, 1] + plane[3, 3]) / 4)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3)])
def test_images_smaller_than_the_pattern_are_filled(pattern: str, size: tuple[int, int]) -> None:
    estimate = Mosaic(pattern).initial(torch.full((1, 1, *size), 0.4))
    torch.testing.assert_close(estimate, torch.full((1, 3, *size), 0.4))


@pytest.mark.parametrize("fraction", [0.5, 0.02])
def test_filling_keeps_known_pixels_and_stays_in_their_range(
    fraction: float, photograph: torch.Tensor, generator: torch.Generator
) -> None:
    mask = scattered(fraction, (96, 96), generator)
    filled = fill_holes(photograph * mask, mask)
    assert torch.equal(torch.where(mask > 0, filled, 0), torch.where(mask > 0, photograph, 0))
    assert filled.min() >= photograph.min() - 1e-6
    assert filled.max() <= photograph.max() + 1e-6


@pytest.mark.parametrize(("fraction", "expected"), [(0.5, 24.0), (0.1, 18.5), (0.02, 15.0)])
def test_filling_restores_a_photograph(
    fraction: float, expected: float, photograph: torch.Tensor, generator: torch.Generator
) -> None:
    mask = scattered(fraction, (96, 96), generator)
    filled = fill_holes(photograph * mask, mask)
    missing = (mask == 0).expand_as(photograph)
    assert decibels(filled[missing], photograph[missing]) > expected


def test_a_huge_hole_in_a_ramp_is_bridged() -> None:
    ramp = torch.linspace(0, 1, 101).expand(1, 1, 75, 101)
    mask = torch.ones_like(ramp)
    mask[..., :, 20:80] = 0
    filled = fill_holes(ramp * mask, mask)
    assert (filled - ramp).abs().max() < 0.15
    assert (filled[..., 1:] - filled[..., :-1]).abs().max() < 0.1


def test_what_stands_in_a_hole_does_not_matter(photograph: torch.Tensor, generator: torch.Generator) -> None:
    mask = scattered(0.4, (96, 96), generator)
    garbage = torch.where(mask > 0, photograph, torch.nan)
    assert torch.equal(fill_holes(garbage, mask), fill_holes(photograph * mask, mask))


def test_one_known_pixel_fills_the_image() -> None:
    mask = torch.zeros(1, 1, 33, 50)
    mask[..., 7, 40] = 1
    torch.testing.assert_close(fill_holes(mask * 0.7, mask), torch.full_like(mask, 0.7))


def test_a_mask_for_each_channel_fills_each_channel(generator: torch.Generator) -> None:
    mask = (torch.rand((1, 3, 20, 20), generator=generator) < 0.2).float()
    level = torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1).expand(1, 3, 20, 20)
    torch.testing.assert_close(fill_holes(level * mask, mask), level.contiguous(), rtol=0, atol=1e-6)


def test_valid_blur_starts_from_the_measurement_with_its_edge_repeated(photograph: torch.Tensor) -> None:
    operator = Blur.disk(3, "valid")
    y = operator(photograph)
    estimate = operator.initial(y)
    assert torch.equal(estimate[..., 3:-3, 3:-3], y)
    assert torch.equal(estimate[..., 0, 3:-3], y[..., 0, :])


def test_stack_starts_from_the_function_it_is_given(photograph: torch.Tensor) -> None:
    stack = Stack([Grayscale(), Identity()], initial=lambda y: y[:, 1:])
    assert torch.equal(stack.initial(stack(photograph)), photograph)
