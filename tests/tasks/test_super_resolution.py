"""Super-resolution whose kernel is found from the small image."""

import json

import numpy as np
import pytest
import skimage.data
import torch

import zeroshot
from zeroshot.images import load
from zeroshot.metrics import psnr
from zeroshot.operators import Downsample
from zeroshot.operators.downsample import KERNELS
from zeroshot.tasks import make_problem, super_resolution
from zeroshot.tasks.degrade import degrade


@pytest.fixture(scope="module")
def truth() -> torch.Tensor:
    return load(skimage.data.astronaut()[:192, 120:312]).colours


@pytest.fixture(scope="module")
def small(truth) -> torch.Tensor:
    return (Downsample(2, "gaussian", sigma=1.8)(truth) * 255).round() / 255


def test_the_kernel_that_was_found_is_said_used_and_recorded(truth, small):
    with pytest.warns(
        UserWarning, match=r"kernel='auto' found .*Gaussian|kernel='auto' found kernel='gaussian'"
    ):
        found = zeroshot.solve(
            small, "sr", "tv", settings={"iterations": 40}, scale=2, kernel="auto", progress=False
        )
    plain = zeroshot.solve(small, "sr", "tv", settings={"iterations": 40}, scale=2, progress=False)
    assert psnr(found.picture.colours, truth) > psnr(plain.picture.colours, truth) + 0.5
    recorded = json.loads(json.dumps(found.provenance))["kernel"]
    assert recorded["kind"] in ("gaussian", "free")
    assert recorded["evidence"]["along"] == pytest.approx(1.8, rel=0.25)
    assert "kernel" not in plain.provenance


def test_a_round_kernel_is_said_as_options_that_make_it_again(small, monkeypatch):
    from zeroshot.kernels import downsampling

    monkeypatch.setattr(downsampling, "ROUND", 10.0)
    with pytest.warns(UserWarning, match=r"found kernel='gaussian' kernel_sigma=1\.\d+, confidence 0\.\d\d"):
        make_problem("sr", load(small), {"scale": 2, "kernel": "auto"})


@pytest.mark.parametrize("shape", [(32, 32, 3), (8, 8, 3), (64, 64)])
def test_what_tells_nothing_is_enlarged_as_bicubic_with_a_note(shape):
    with pytest.warns(UserWarning, match="does not tell the kernel apart from bicubic"):
        problem, _, _ = make_problem("sr", load(np.full(shape, 99, np.uint8)), {"scale": 4, "kernel": "auto"})
    assert problem.operator.describe() == "downsample(4)"
    assert problem.kernel["kind"] == "none"


def test_there_is_no_kernel_to_find_where_damage_is_made(truth):
    with pytest.raises(
        ValueError, match="kernel='auto' finds the kernel of a small image; there is none yet"
    ):
        degrade(truth, "sr", scale=2, kernel="auto")


def test_a_width_does_not_go_with_a_kernel_that_is_found(small):
    with pytest.raises(ValueError, match="kernel_sigma=… goes with kernel='gaussian'"):
        make_problem("sr", load(small), {"scale": 2, "kernel": "auto", "kernel_sigma": 2.0})


def test_an_unknown_kernel_is_told_those_that_there_are(truth, small):
    assert super_resolution._SHAPES == KERNELS
    known = "known are {}bicubic, lanczos2, lanczos3, box, gaussian or an array"
    for kernel in ("bicubik", "lanczos", "automatic"):
        with pytest.raises(ValueError, match=f"unknown kernel '{kernel}'; {known.format('auto, ')}"):
            make_problem("sr", load(small), {"scale": 2, "kernel": kernel})
        with pytest.raises(ValueError, match=f"unknown kernel '{kernel}'; {known.format('')}"):
            degrade(truth, "sr", scale=2, kernel=kernel)
