"""The working range: found where floats lie beyond [0, 1] by more than noise, widened where a given one is left."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.data import astronaut, camera

from zeroshot.images import load
from zeroshot.images.value_range import say_range, share_range
from zeroshot.spelling import for_command_line

PHOTOGRAPH = (camera()[100:228, 100:228] / 255).astype(np.float32)


def noisy(image: np.ndarray, sigma: float) -> np.ndarray:
    return (image + np.random.default_rng(0).normal(0, sigma, image.shape)).astype(np.float32)


@pytest.mark.parametrize("sigma", [0, 2, 10, 25, 50, 100])
def test_noise_around_a_picture_in_the_unit_range_is_left_alone(sigma):
    array = noisy(PHOTOGRAPH, sigma / 255)
    picture = load(array)
    assert (picture.form.value_range, picture.form.origin) == ((0, 1), "type")
    assert torch.equal(picture.colours[0, 0], torch.from_numpy(array))


@pytest.mark.parametrize("peak", [10, 30, 100])
def test_photon_noise_is_left_alone(peak):
    counts = np.random.default_rng(0).poisson(PHOTOGRAPH * peak)
    assert load((counts / peak).astype(np.float32)).form.origin == "type"


@pytest.mark.parametrize(
    ("array", "wanted"),
    [
        (PHOTOGRAPH * 5, (0, 5 * PHOTOGRAPH.max())),
        (PHOTOGRAPH - 0.7, (PHOTOGRAPH.min() - 0.7, PHOTOGRAPH.max() - 0.7)),
        (PHOTOGRAPH * 100 - 1000, (PHOTOGRAPH.min() * 100 - 1000, PHOTOGRAPH.max() * 100 - 1000)),
        (PHOTOGRAPH * 100 + 1000, (1000 + 100 * PHOTOGRAPH.min(), 1000 + 100 * PHOTOGRAPH.max())),
        (noisy(PHOTOGRAPH * 255, 25), (0, 255)),
        (noisy(PHOTOGRAPH * 4095, 90), (0, 4095)),
        (noisy(PHOTOGRAPH * 65535, 1000), (0, 65535)),
        (np.full((8, 8), 3.0), (0, 3)),
        (np.full((8, 8), -3.0), (-3, 0)),
        (PHOTOGRAPH.astype(np.float64) * 1e300, (0, 1e300 * float(PHOTOGRAPH.max()))),
    ],
    ids=[
        "HDR",
        "background subtracted",
        "far below",
        "far above",
        "8 bits",
        "12 bits",
        "16 bits",
        "3",
        "-3",
        "1e300",
    ],
)
def test_the_range_is_found_and_undone(array, wanted):
    picture = load(array)
    assert picture.form.origin == "found"
    np.testing.assert_allclose(picture.form.value_range, wanted, rtol=1e-5)
    np.testing.assert_array_equal(picture.as_given(), array)


def test_one_bright_pixel_is_not_cut():
    array = noisy(PHOTOGRAPH, 0.02)
    array[40, 40] = 7.5
    assert load(array).form.value_range[1] == 7.5


def test_nothing_measured_lies_beyond_the_range():
    for array in (PHOTOGRAPH * 5 - 1, (astronaut()[:64, :64] - 90.0) / 40):
        colours = load(array).colours
        assert 0 <= float(colours.min()) <= float(colours.max()) <= 1


def test_what_is_transparent_says_nothing_about_the_range():
    rgba = np.dstack([PHOTOGRAPH] * 3 + [np.ones_like(PHOTOGRAPH)])
    rgba[:20, :, :3], rgba[:20, :, 3] = 99, 0
    rgba[20:25, :, :3], rgba[20:25, :, 3] = np.nan, 0
    picture = load(rgba)
    assert picture.form.value_range == (0, 1)
    assert bool(torch.isfinite(picture.colours).all())
    np.testing.assert_array_equal(np.asarray(picture.as_given())[25:], rgba[25:])


def test_alpha_runs_to_1_beside_colours_of_a_range_that_was_found():
    rgba = np.dstack([PHOTOGRAPH * 7] * 3 + [np.full_like(PHOTOGRAPH, 0.5)])
    picture = load(rgba)
    assert bool((picture.alpha == 0.5).all())
    np.testing.assert_array_equal(picture.as_given(), rgba)
    of_bytes = np.dstack([PHOTOGRAPH * 255] * 3 + [np.full_like(PHOTOGRAPH, 255)])
    assert bool((load(of_bytes).alpha == 1).all())


def test_a_range_that_was_given_is_widened_to_what_was_measured():
    counts = (PHOTOGRAPH * 12000 + 1000).astype(np.uint16)
    picture = load(counts, value_range=(2000, 10500))
    assert picture.form.value_range == (counts.min(), counts.max())
    assert picture.form.level_factor == pytest.approx(8500 / (int(counts.max()) - int(counts.min())))
    np.testing.assert_array_equal(picture.as_given(), counts)
    assert load(noisy(PHOTOGRAPH * 255, 25), value_range=(0, 255)).form.origin == "given"


def test_it_is_said_in_one_line(recwarn):
    say_range(load(PHOTOGRAPH))
    assert not recwarn.list
    with pytest.warns(
        UserWarning, match=r"taken as black -0.7, white 0.3; .* value_range=\(black, white\)"
    ) as told:
        say_range(load(np.linspace(-0.7, 0.3, 64).reshape(8, 8)))
    assert "--range LOW,HIGH" in for_command_line(told[0].message)
    with pytest.warns(UserWarning, match="value_range leaves out measured values: .* from 0 to 200"):
        say_range(load(np.array([[0, 200]], np.uint8), value_range=(0, 100)))


def test_pictures_that_belong_together_share_one_range():
    dark, bright = load(PHOTOGRAPH * 2), load(PHOTOGRAPH * 5)
    first, second = share_range([dark, bright])
    assert first.form.value_range == second.form.value_range == bright.form.value_range
    torch.testing.assert_close(2.5 * first.colours, second.colours)
    np.testing.assert_array_equal(first.as_given(), PHOTOGRAPH * 2)


def test_inputs_that_differ_by_their_range_have_different_checksums():
    assert load(PHOTOGRAPH * 5).sha256() != load(PHOTOGRAPH * 10).sha256()


@pytest.mark.parametrize(
    ("factor", "offset"), [(1e-6, 0), (1e-6, 5e-6), (1e-12, 0), (2e-6, -1e-6), (1e-3, 0.25)], ids=str
)
def test_floats_that_span_next_to_nothing_have_a_scale_of_their_own(factor, offset):
    array = PHOTOGRAPH.astype(np.float64) * factor + offset
    picture = load(array)
    assert picture.form.origin == "found"
    assert float(picture.colours.max()) == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(picture.as_given(), array)
    with pytest.warns(UserWarning, match="span next to nothing between 0 and 1: taken as black"):
        say_range(picture)


@pytest.mark.parametrize(
    "array",
    [
        np.full((16, 16), 1e-6),
        np.full((16, 16), 0.5) + np.eye(16) * 1e-8,
        np.eye(16) / 255,
        PHOTOGRAPH / 100,
        np.zeros((16, 16)),
    ],
    ids=["constant", "rounding", "one grey level", "dark", "black"],
)
def test_dark_and_constant_floats_are_taken_as_they_are(array):
    assert load(array).form.origin == "type"
