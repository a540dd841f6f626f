"""The transform of a JPEG: linear with an adjoint, orthonormal but for its colours, and what an encoder computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.jpegs import decoded, encoded, photograph
from tests.pictures import uniform
from zeroshot.compression.entropy import quantised_coefficients
from zeroshot.compression.header import header_of
from zeroshot.operators import JpegCompression, JpegTransform, Window, parse

COLOUR = ((1, 1), (2, 2), (2, 2))
TRANSFORMS = [
    JpegTransform(32, 48),
    JpegTransform(32, 48, COLOUR),
    JpegTransform(37, 45, COLOUR),
    JpegTransform(37, 45, ((1, 1), (1, 2), (1, 2)), offset=(3, 13)),
    JpegTransform(40, 40, ((1, 1), (4, 1), (4, 1)), offset=(-5, 9), units=(1, 6)),
    JpegTransform(24, 24, ((1, 1), (1, 1), (1, 1)), colour=False),
]
every_transform = pytest.mark.parametrize(
    "transform", TRANSFORMS, ids=lambda one: f"{one.size}{one.sampling}"
)


def shapes(transform: JpegTransform) -> tuple[tuple[int, ...], tuple[int, ...]]:
    channels = len(transform.sampling)
    return (2, channels, *transform.size), (2, channels, *transform.canvas)


@every_transform
def test_the_adjoint_is_one(transform: JpegTransform) -> None:
    image, measurement = shapes(transform)
    x, y = uniform(*image), uniform(*measurement, seed=1)
    left, right = (transform(x) * y).sum(), (x * transform.adjoint(y)).sum()
    assert float(left) == pytest.approx(float(right), rel=1e-5)


@every_transform
def test_the_norm_is_not_exceeded_and_nearly_reached(transform: JpegTransform) -> None:
    x = torch.randn(shapes(transform)[0], generator=torch.Generator().manual_seed(0))
    for _ in range(60):
        x = transform.adjoint(transform(x))
        x = x / x.norm()
    reached = float(transform(x).norm())
    assert reached <= transform.norm() * (1 + 1e-5)
    assert reached >= 0.9 * transform.norm()


@every_transform
def test_subsampled_chroma_fills_a_corner_of_its_unit(transform: JpegTransform) -> None:
    y = transform(uniform(*shapes(transform)[0]))
    assert float((y * (1 - transform.measured())).abs().max()) == 0
    share = transform.measured().mean(dim=(0, 2, 3))
    for found, (down, right) in zip(share, transform.sampling, strict=True):
        assert float(found) <= 1 / (down * right) + 1e-6


@pytest.mark.parametrize("sampling", [COLOUR, ((1, 1), (1, 1), (1, 1))])
def test_lifting_inverts_where_the_picture_fills_its_units(sampling) -> None:
    transform = JpegTransform(32, 48, sampling)
    y = uniform(1, 3, 32, 48) * transform.measured()
    assert torch.allclose(transform(transform.lifted(y)), y, atol=1e-5)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_it_computes_what_the_encoder_rounds(subsampling: int) -> None:
    pixels = photograph(64, 96)
    jpeg = encoded(pixels, quality=90, subsampling=subsampling)
    header = header_of(jpeg)
    transform = JpegTransform(64, 96, header.sampling)
    steps = [
        torch.from_numpy(table.copy()) * (down * right) ** 0.5 / 255
        for table, (down, right) in zip(header.tables, header.sampling, strict=True)
    ]
    quantised = transform.arranged([torch.from_numpy(part) for part in quantised_coefficients(jpeg, header)])
    x = torch.from_numpy(pixels.transpose(2, 0, 1).copy()).float()[None] / 255
    x = x - torch.full((1, 3, 1, 1), 128 / 255)  # the level shift; chroma has none
    units = transform(x) / transform.packed(steps, 1.0).repeat(1, *transform.units)
    known = transform.measured() > 0
    # Encoders round samples and compute in whole numbers: a coefficient may land on the other side.
    assert float((units.round() == quantised)[known.expand_as(units)].float().mean()) > 0.97


def test_parts_are_measured_as_in_the_whole() -> None:
    whole = JpegTransform(96, 128, COLOUR, offset=(3, 10))
    x = uniform(1, 3, 96, 128)
    for window in (Window(0, 0, 64, 64), Window(40, 50, 50, 60), Window(32, 70, 64, 58)):
        part, measured = whole.crop(window)
        found, wanted = part(window.of(x)), measured.of(whole(x))
        assert found.shape == wanted.shape
        assert torch.allclose(found, wanted, atol=1e-5)


def test_compression_is_pillows() -> None:
    pixels = photograph(40, 56)
    x = torch.from_numpy(pixels.transpose(2, 0, 1).copy()).float()[None] / 255
    found = (255 * JpegCompression(30, "4:2:0")(x)).round()[0].permute(1, 2, 0).byte().numpy()
    np.testing.assert_array_equal(found, decoded(encoded(pixels, quality=30)))


def test_it_can_be_written() -> None:
    operator = parse('jpeg(10, subsampling="4:4:4") @ downsample(2)')
    assert operator.describe().startswith("jpeg(10) @ ")
    assert parse("jpeg").quality == "auto"
    for text, reason in [("jpeg(0)", "from 1 to 100"), ("jpeg(10, subsampling=3)", "subsampling")]:
        with pytest.raises(ValueError, match=reason):
            parse(text)
    with pytest.raises(ValueError, match="needs a quality"):
        parse("jpeg")(uniform(1, 1, 16, 16))
