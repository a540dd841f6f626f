"""What is stored in a fully transparent pixel is not measured: it changes nothing that can be seen, to the bit."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from skimage.data import astronaut

import zeroshot

SIDE = 40
rows, columns = np.mgrid[:SIDE, :SIDE]
SEEN = (rows - 20) ** 2 + (columns - 18) ** 2 < 15**2
PHOTOGRAPH = astronaut()[40 : 40 + SIDE, 200 : 200 + SIDE]
NOISY = (
    np.clip(PHOTOGRAPH + np.random.default_rng(0).normal(0, 20, PHOTOGRAPH.shape), 0, 255)
    .round()
    .astype(np.uint8)
)
HIDDEN = {
    "black": np.zeros_like(PHOTOGRAPH),
    "magenta": np.full_like(PHOTOGRAPH, (255, 0, 255)),
    "noise": np.random.default_rng(1).integers(0, 256, PHOTOGRAPH.shape, dtype=np.uint8),
}


def cut_out(colours, hidden):
    stored = np.where(SEEN[..., None], colours, hidden)
    return np.dstack([stored, SEEN * np.uint8(255)]).astype(np.uint8)


def restored(image, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(zeroshot.solve(image, progress=False, **options))


MASK = np.ones((SIDE, SIDE), bool)
MASK[17:22, 12:30] = False
HINTS = np.dstack([PHOTOGRAPH, ((rows % 4 == 0) & (columns % 4 == 0)) * np.uint8(255)])
TASKS = {
    "denoise": {"sigma": 20 / 255},
    "denoise, estimated": {},
    "deblur": {"kernel": "gaussian=1.0", "sigma": 20 / 255},
    "sr": {"scale": 2},
    "inpaint": {"mask": MASK},
    "colorize": {"hints": HINTS},
    "restore": {"operator": "downsample(2)", "sigma": 0.02},
}


@pytest.mark.parametrize(
    ("task", "prior"),
    [
        *((task, "tv") for task in TASKS if task != "colorize"),
        pytest.param("colorize", "tv", marks=pytest.mark.slow),
        ("denoise", "bm3d"),
        *(pytest.param(task, "bm3d", marks=pytest.mark.slow) for task in ("sr", "inpaint")),
    ],
)
def test_hidden_colours_change_nothing_that_is_seen(task, prior):
    name = task.split(",")[0]
    # What enters a run enters its first iterations.
    options = TASKS[task] | ({"settings": {"iterations": 20}} if prior == "tv" else {})
    results = [restored(cut_out(NOISY, fill), task=name, prior=prior, **options) for fill in HIDDEN.values()]
    for other in results[1:]:
        seen = results[0][..., -1] > 0
        if results[0].shape[0] > SIDE:
            np.testing.assert_array_equal(other, results[0])
        np.testing.assert_array_equal(other[seen], results[0][seen])


def test_deep_image_prior_does_not_see_them_either():
    first, second = (
        restored(
            cut_out(NOISY, HIDDEN[name]), task="denoise", prior="dip", sigma=0.08, settings={"iterations": 4}
        )
        for name in ("black", "noise")
    )
    np.testing.assert_array_equal(first[SEEN], second[SEEN])


@pytest.mark.parametrize("prior", ["tv", "bm3d"])
def test_what_is_seen_is_denoised_as_if_the_rest_were_there(prior):
    whole = restored(NOISY, task="denoise", prior=prior, sigma=20 / 255)
    part = restored(cut_out(NOISY, HIDDEN["black"]), task="denoise", prior=prior, sigma=20 / 255)
    errors = [
        np.sqrt(np.mean((image[..., :3][SEEN].astype(float) - PHOTOGRAPH[SEEN]) ** 2))
        for image in (whole, part)
    ]
    # Less is seen that could be averaged with.
    assert errors[1] < 1.2 * errors[0]


def test_hidden_colours_stay_where_the_size_does():
    for name, fill in HIDDEN.items():
        result = restored(cut_out(NOISY, fill), task="denoise", prior="tv", sigma=20 / 255)
        np.testing.assert_array_equal(result[~SEEN, :3], fill[~SEEN], err_msg=name)
        np.testing.assert_array_equal(result[..., 3], SEEN * np.uint8(255))


def test_an_enlargement_has_no_fringe():
    flat = np.full_like(PHOTOGRAPH, (230, 200, 60))
    result = restored(
        cut_out(flat, HIDDEN["black"]), task="sr", prior="tv", scale=2, settings={"iterations": 200}
    ).astype(int)
    visible = result[..., 3] > 0
    assert np.abs(result[visible][:, :3] - (230, 200, 60)).max() <= 2


def test_a_mosaic_is_filled_at_each_place_of_its_pattern():
    raw = PHOTOGRAPH[..., 1].copy()
    raw[::2, ::2], raw[1::2, 1::2] = PHOTOGRAPH[::2, ::2, 0], PHOTOGRAPH[1::2, 1::2, 2]
    results = [
        restored(
            np.dstack([np.where(SEEN, raw, fill[..., 0]), SEEN * np.uint8(255)]),
            task="demosaic",
            prior="tv",
            settings={"iterations": 20, "chroma": 2.0},
        )
        for fill in HIDDEN.values()
    ]
    for other in results[1:]:
        np.testing.assert_array_equal(other[SEEN], results[0][SEEN])


def test_where_nothing_or_everything_is_seen_all_is_as_without_alpha():
    opaque = np.dstack([NOISY, np.full((SIDE, SIDE), 255, np.uint8)])
    plain = restored(NOISY, task="denoise", prior="tv", sigma=0.08)
    np.testing.assert_array_equal(restored(opaque, task="denoise", prior="tv", sigma=0.08)[..., :3], plain)
    opaque[..., 3] = 0
    np.testing.assert_array_equal(restored(opaque, task="denoise", prior="tv", sigma=0.08)[..., :3], plain)


def test_outliers_do_not_depend_on_hidden_colours():
    salted = NOISY.copy()
    salted[np.random.default_rng(2).random(SEEN.shape) < 0.03] = 255
    results = [
        restored(cut_out(salted, hidden), task="denoise", prior="wavelet", outliers="auto")[SEEN]
        for hidden in HIDDEN.values()
    ]
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])
