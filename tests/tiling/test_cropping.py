"""Cutting problems: a part is damaged as it is in the whole, and its data are the whole's."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from tests.pictures import seeded, uniform
from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber, Poisson
from zeroshot.operators import (
    Blur,
    Downsample,
    Grayscale,
    Identity,
    JpegTransform,
    Locality,
    Mask,
    Mosaic,
    Operator,
    Stack,
    Window,
    from_functions,
)
from zeroshot.problem import Problem
from zeroshot.tiling.grid import Grid

_SIZE = (120, 96)
_KERNEL = np.random.default_rng(0).random((5, 7))


def _mask(channels: int = 1, size: tuple[int, int] = _SIZE) -> Mask:
    return Mask(np.random.default_rng(1).random((channels, *size)) < 0.4)


_OPERATORS: list[Operator] = [
    Identity(),
    Grayscale(),
    _mask(),
    _mask(3),
    Mosaic("GRBG"),
    Mosaic("xtrans"),
    Mosaic("quad-rggb"),
    Downsample(2),
    Downsample(4, "lanczos2"),
    Downsample(3, np.random.default_rng(2).random((4, 5))),
    Blur(_KERNEL),
    Blur(_KERNEL, "replicate"),
    Blur(_KERNEL, "valid"),
    Blur.motion(9, 30),
    Mosaic("RGGB") @ Downsample(2),
    Mask(np.random.default_rng(1).random((60, 48)) < 0.5) @ Downsample(2) @ Blur.gaussian(1.0),
    Downsample(2) @ Blur(_KERNEL, "valid"),
    Stack([Grayscale(), _mask()]),
    JpegTransform(*_SIZE, ((1, 1), (2, 2), (2, 2))),
]


@pytest.mark.parametrize("operator", _OPERATORS, ids=lambda operator: operator.describe())
def test_away_from_cuts_a_part_is_measured_as_in_the_whole(operator: Operator) -> None:
    x = uniform(1, 3, *_SIZE)
    whole, asked = operator(x), operator.locality()
    grid = Grid.covering(_SIZE, 64, 2 * asked.reach + 8, asked)
    assert len(grid) > 1
    for window in grid.windows:
        part, measured = operator.crop(window)
        found, wanted = part(window.of(x)), measured.of(whole)
        assert found.shape == wanted.shape
        margin = math.ceil(asked.reach * found.shape[-1] / window.width)
        cuts = (
            window.top > 0,
            window.top + window.height < _SIZE[0],
            window.left > 0,
            window.left + window.width < _SIZE[1],
        )
        top, bottom, left, right = (margin * cut for cut in cuts)
        inner = (
            ...,
            slice(top, found.shape[-2] - bottom),
            slice(left, found.shape[-1] - right),
        )
        assert found[inner].numel() > 0
        torch.testing.assert_close(found[inner], wanted[inner], atol=2e-6, rtol=0)


@pytest.mark.parametrize("operator", _OPERATORS, ids=lambda operator: operator.describe())
def test_scale_is_how_much_smaller_the_measurement_is(operator: Operator) -> None:
    height, width = operator.output_shape((1, 3, *_SIZE))[-2:]
    scale = operator.locality().scale
    assert (round(_SIZE[0] / height), round(_SIZE[1] / width)) == (scale, scale)


class _Brighter(Operator):
    """An operator of another package that says how it is cropped."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    def input_shape(self, measurement_shape: Sequence[int]) -> tuple[int, ...]:
        return tuple(measurement_shape)

    def locality(self) -> Locality:
        return Locality(align=3)

    def crop(self, window: Window) -> tuple[Operator, Window]:
        return self, window


def test_an_operator_of_another_package_overrides_the_methods() -> None:
    chain = _Brighter() @ Downsample(2)
    assert chain.locality() == Locality(align=6, reach=Downsample(2).locality().reach, scale=2)
    part, measured = chain.crop(Window(6, 12, 18, 24))
    assert measured == Window(3, 6, 9, 12)
    assert part(torch.ones(1, 3, 18, 24)).mean() == pytest.approx(2, abs=1e-5)


def test_an_operator_that_says_where_but_not_how_it_is_cropped_is_refused() -> None:
    class Local(_Brighter):
        crop = Operator.crop

    with pytest.raises(ValueError, match=r"has no crop\(\)"):
        Local().crop(Window(0, 0, 3, 3))


def test_a_mosaic_is_cut_at_any_pixel() -> None:
    x, mosaic = torch.rand(1, 3, 20, 21), Mosaic("xtrans")
    window = Window(5, 7, 11, 12)
    part, measured = mosaic.crop(window)
    assert torch.equal(part(window.of(x)), measured.of(mosaic(x)))


def test_a_part_may_know_no_pixel() -> None:
    known = np.ones((20, 20))
    known[:10] = 0
    part, _ = Mask(known).crop(Window(0, 0, 8, 20))
    assert not part(torch.rand(1, 3, 8, 20)).any()


def test_an_odd_window_is_refused_by_downsampling() -> None:
    with pytest.raises(ValueError, match="multiples of 4"):
        Downsample(4).crop(Window(2, 0, 8, 8))


@pytest.mark.parametrize(
    ("operator", "reason"),
    [
        (from_functions(lambda x: x), "not known to act locally"),
        (Blur(_KERNEL, "circular"), "opposite edges"),
        (Identity() @ from_functions(lambda x: x), "not known to act locally"),
        (Stack([Grayscale(), _mask()], lambda y: y), "hints"),
    ],
)
def test_what_cannot_be_cut_says_why_in_one_line(operator: Operator, reason: str) -> None:
    problem = Problem(torch.rand(1, 3, *_SIZE), operator, reference_shape=(1, 3, *_SIZE))
    with pytest.raises(ValueError, match=reason) as caught:
        problem.crop(Window(0, 0, 60, 60))
    assert "\n" not in str(caught.value)


def test_a_data_term_of_the_whole_image_is_refused() -> None:
    class Total(Gaussian):
        def __call__(self, prediction, y, weight=None):  # type: ignore[no-untyped-def]
            return (prediction - y).sum().square()

    with pytest.raises(ValueError, match="Total looks at the image as a whole"):
        Problem(torch.rand(1, 3, 8, 8), Identity(), Total()).crop(Window(0, 0, 4, 4))


@pytest.mark.parametrize("data_term", [Gaussian(0.1), Poisson(0.02), L1(), Huber()])
def test_losses_of_parts_add_up_to_that_of_the_whole(data_term: DataTerm) -> None:
    generator = seeded(3)
    mask = _mask()
    y = mask(torch.rand(1, 3, *_SIZE, generator=generator))
    problem = Problem(y, mask, data_term, 0.1, "inpaint", measured=mask.mask).hold_out(0.1, generator)
    x = torch.rand(1, 3, *_SIZE, generator=generator)
    halves = [Window(0, 0, 50, 96), Window(50, 0, 70, 96)]
    for loss, weight in (("loss", "_weight"), ("validation_loss", "held_out")):
        total = count = 0.0
        for window in halves:
            part = problem.crop(window)
            assert (part.sigma, part.task) == (0.1, "inpaint")
            values = float(getattr(part, weight).expand_as(part.y).sum())
            total += values * float(getattr(part, loss)(window.of(x)))
            count += values
        assert total / count == pytest.approx(float(getattr(problem, loss)(x)), rel=1e-4)
