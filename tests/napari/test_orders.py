"""What the panel of napari asks of the engine: axes, ranges, parts of planes, how far it is, and stopping."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tests.pictures import sample
from zeroshot.napari.orders import Order, Told, axes_of, restored, share_of_range, value_range


@pytest.fixture
def noisy() -> np.ndarray:
    """Counts of 12 bits with noise, two planes."""
    truth = sample("camera")[100:164, 200:264].astype(np.float64) * 16
    return np.random.default_rng(0).normal(truth, 160, (2, 64, 64)).clip(0, 4095).astype(np.uint16)


@pytest.mark.parametrize(
    ("shape", "is_rgb", "labels", "axes"),
    [
        ((8, 9), False, (), "YX"),
        ((8, 9, 3), True, (), "YXS"),
        ((2, 8, 9), False, ("-3", "-2", "-1"), "ZYX"),
        ((2, 8, 9), False, ("t", "y", "x"), "TYX"),
        ((5, 2, 8, 9), False, ("c", "z", "y", "x"), "CZYX"),
        # The viewer has one axis more than the layer.
        ((2, 8, 9), False, ("t", "z", "y", "x"), "ZYX"),
        ((5, 2, 8, 9), False, ("", "", "y", "x"), "TZYX"),
        ((2, 8, 9, 3), True, ("t", "y", "x"), "TYXS"),
    ],
)
def test_axes_are_those_of_the_viewer_or_as_they_come(
    shape: tuple[int, ...], is_rgb: bool, labels: tuple[str, ...], axes: str
) -> None:
    assert axes_of(shape, is_rgb, labels) == axes


def test_what_has_no_plane_is_refused() -> None:
    with pytest.raises(ValueError, match="needs rows and columns"):
        axes_of((7,), is_rgb=False)
    with pytest.raises(ValueError, match="needs rows and columns"):
        axes_of((7, 7, 2), is_rgb=True)


def test_noise_is_a_share_of_the_range_of_the_layer() -> None:
    assert share_of_range(25.5, np.zeros((2, 2), np.uint8)) == pytest.approx(0.1)
    assert value_range(np.array([[-3.0, 7.0], [np.nan, 0]])) == (-3, 7)
    assert share_of_range(1.0, np.array([[-3.0, 7.0]])) == pytest.approx(0.1)
    assert share_of_range(0.2, np.array([[0.1, 0.4]])) == pytest.approx(0.2)
    assert share_of_range(10, np.array([[100, 300]], np.uint16)) == pytest.approx(0.05)
    with pytest.raises(ValueError, match="between 0 and 10"):
        share_of_range(11, np.array([[-3.0, 7.0]]))
    with pytest.raises(ValueError, match="no value that is a number"):
        value_range(np.full((2, 2), np.nan))


def test_a_stack_comes_back_as_it_was_with_less_noise(noisy: np.ndarray) -> None:
    truth = sample("camera")[100:164, 200:264].astype(np.float64) * 16
    told: list[Told] = []
    values, result = restored(Order(noisy, "ZYX", "denoise", "tv"), told.append)
    assert (values.shape, values.dtype) == (noisy.shape, noisy.dtype)
    assert np.square(values - truth).mean() < 0.5 * np.square(noisy - truth).mean()
    assert result.provenance["prior"] == "tv"
    assert told[0].text.startswith("plane 1 of 2, iteration ")
    assert 0 < (told[-1].share or 0) <= 1


def test_floats_beyond_0_and_1_keep_their_values(noisy: np.ndarray) -> None:
    raised = noisy[0].astype(np.float32) - 1000
    sigma = share_of_range(160, raised)
    values, _ = restored(Order(raised, "YX", "denoise", "tv", {"sigma": sigma}))
    assert values.dtype == np.float32
    assert abs(values.mean() - raised.mean()) < 5


def test_a_part_is_cut_with_its_mask(noisy: np.ndarray) -> None:
    mask = np.ones(noisy.shape, bool)
    mask[1, 20:24, 30:34] = False
    whole = Order(noisy, "ZYX", "inpaint", "tv", {"mask": mask, "sigma": 0.01})
    part = whole.cropped((1,), 16, 24, 32)
    assert (part.axes, part.values.shape, part.planes) == ("YX", (32, 32), 1)
    assert np.array_equal(part.values, noisy[1, 16:48, 24:56])
    assert np.argwhere(~part.options["mask"]).min(axis=0).tolist() == [4, 6]
    assert part.options["sigma"] == 0.01
    assert part.value_range == value_range(noisy)
    assert restored(part)[0].shape == (32, 32)


def test_a_run_that_is_stopped_gives_the_best_so_far_and_leaves_the_other_planes(noisy: np.ndarray) -> None:
    stopped = threading.Event()
    stopped.set()
    order = Order(noisy, "ZYX", "denoise", "tv", {"sigma": 0.05})
    values, result = restored(order, stopped=stopped)
    assert result.interrupted or "interrupted" in result.stopped_by
    assert np.abs(values[1].astype(int) - noisy[1]).max() <= 1


def test_enlarging_and_colours() -> None:
    colours = np.ascontiguousarray(sample("astronaut")[60:92, 170:202])
    values, _ = restored(Order(colours, "YXS", "sr", "tv", {"scale": 2}))
    assert (values.shape, values.dtype) == ((64, 64, 3), np.uint8)
