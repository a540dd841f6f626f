"""Boxes over a volume: they fit, every voxel counts once in all, and what feels a cut counts for nothing."""

import pytest
import torch

from zeroshot.tiling.chunks import Room, laid_out
from zeroshot.volume_denoiser import Reach

CASES = [
    ((40, 64, 64), Reach(4, 4), 1, 2**22, "auto"),
    ((100, 300, 200), Reach(6, 8), 1, 2**26, "auto"),
    ((100, 300, 200), Reach(6, 8), 2, 2**26, 96),
    ((37, 150, 131), Reach(3, 5), 3, 2**25, "auto"),
    ((1, 20, 20), Reach(3, 5), 1, 2**25, None),
]


def room(allowed):
    return Room(allowed, fixed=2**16, voxel=40, plane=100)


@pytest.mark.parametrize(("shape", "reach", "step", "allowed", "tile"), CASES)
def test_every_voxel_counts_once_and_no_box_is_too_large(shape, reach, step, allowed, tile):
    chunks = laid_out(shape, reach, step, room(allowed), tile)
    assert room(allowed).needed(*chunks.shape) <= allowed
    total = torch.zeros(shape)
    for chunk in range(chunks.count):
        for box in chunks.boxes(chunk):
            place = box.planes, box.rows, box.columns
            total[place] += box.weigh_(torch.ones(1, *(one.stop - one.start for one in place)))[0]
            assert all(one.start % step == 0 for one in place)
    torch.testing.assert_close(total, torch.ones(shape))


@pytest.mark.parametrize(("shape", "reach", "step", "allowed", "tile"), CASES)
def test_what_feels_a_cut_counts_for_nothing(shape, reach, step, allowed, tile):
    for box in laid_out(shape, reach, step, room(allowed), tile).boxes(0):
        reaches = (reach.planes, reach.pixels, reach.pixels)
        for place, weights, far, size in zip(
            (box.planes, box.rows, box.columns), box.weights, reaches, shape, strict=True
        ):
            assert place.start == 0 or not weights[:far].any()
            assert place.stop == size or not weights[-far:].any()


def test_the_planes_that_are_finished_are_all_planes_in_order():
    chunks = laid_out((100, 64, 64), Reach(4, 4), 1, room(40 * 30 * 64 * 64 + 2**17))
    assert chunks.count > 2
    finished = [number for chunk in range(chunks.count) for number in chunks.finished(chunk)]
    assert finished == list(range(100))
    for chunk in range(chunks.count):
        needed = chunks.planes(chunk)
        assert set(chunks.finished(chunk)) <= set(range(needed.start, needed.stop))


def test_what_does_not_fit_is_refused_with_what_it_takes():
    with pytest.raises(ValueError, match=r"planes of 4000 × 4000 pixels .* GiB are allowed"):
        laid_out((50, 4000, 4000), Reach(8, 8), 1, room(2**20))
