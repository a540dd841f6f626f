"""The published super-resolution networks of the examples, on the published weights."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from zeroshot.compare.method import Case
from zeroshot.compare.methods.arrays import to_array, to_tensor
from zeroshot.compare.specification import method_from
from zeroshot.images import load
from zeroshot.metrics import psnr_y

FILE = Path(__file__).resolve().parents[2] / "examples/learned_upscalers.py"
#: Class, weights, scale, and the PSNR of Y on Set5 in dB.
FIGURES = [
    ("VDSR", "vdsr", 2, 37.62),
    ("VDSR", "vdsr", 3, 33.76),
    ("VDSR", "vdsr", 4, 31.44),
    ("RealESRGAN", "realesr_general_x4v3", 4, 26.64),
    ("RealESRGAN", "realesr_general_wdn_x4v3", 4, 26.70),
    ("LSDIRCompact", "lsdir_compact_c3_x4", 4, 29.60),
]
SMALL = [figure for figure in FIGURES if figure[2] == 4]


@pytest.fixture
def weights(shared) -> Path:
    folder = shared / "weights/sr"
    if not folder.is_dir():
        pytest.skip("needs the published weights in the folder `shared`")
    return folder


def case_of(image: np.ndarray, scale: int) -> Case:
    return Case.of(image, "sr", {"scale": scale})


@pytest.mark.slow
@pytest.mark.parametrize(("name", "file", "scale", "figure"), FIGURES)
def test_the_figures_are_the_measured_ones(name, file, scale, figure, weights, shared):
    method = method_from(f"python:{FILE}:{name}[weights={weights}/{file}.pth]")
    values = []
    for truth in sorted((shared / f"data/set5/hr_x{scale}").glob("*.png")):
        small = to_array(load(truth.parents[1] / f"lr_x{scale}" / truth.name).colours)
        restored = to_tensor(method.restore(small, case_of(small, scale)))
        values.append(psnr_y(restored, load(truth).colours, scale, quantise="8-bit"))
    assert len(values) == 5
    assert np.mean(values) == pytest.approx(figure, abs=0.02)


@pytest.mark.parametrize(("name", "file", "scale", "figure"), SMALL)
def test_colour_and_grey_are_enlarged(name, file, scale, figure, weights, photograph):
    method = method_from(f"python:{FILE}:{name}[weights={weights}/{file}.pth]")
    colour = to_array(photograph[..., :24, :32])
    for small in (colour, np.ascontiguousarray(colour[..., 1])):
        case = case_of(small, scale)
        assert method.supports(case) is None
        large = method.restore(small, case)
        assert large.shape == (96, 128, *small.shape[2:])
        cubic = method_from("bicubic").restore(small, case)
        assert np.abs(large - cubic).mean() < 0.06
        assert not np.allclose(large, cubic, atol=0.01)


def test_vdsr_is_one_model_for_three_scales_and_leaves_chroma(weights, photograph):
    from zeroshot.compare.methods.arrays import to_luma_and_chroma

    method = method_from(f"python:{FILE}:VDSR[weights={weights}/vdsr.pth]")
    small = to_array(photograph[..., :24, :32])
    for scale in (2, 3, 4):
        case = case_of(small, scale)
        assert method.supports(case) is None
        chroma = [
            to_luma_and_chroma(to_tensor(one.restore(small, case)))[1]
            for one in (method, method_from("bicubic"))
        ]
        assert float((chroma[0] - chroma[1]).abs().mean()) < 2e-3
    assert "2, 3 and 4 times" in str(method.supports(case_of(small, 5)))


def test_the_same_network_as_torchscript_is_the_same_method(weights, photograph, tmp_path):
    example = method_from(f"python:{FILE}:VDSR[weights={weights}/vdsr.pth]")
    example.prepare()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(example.restorer.network).save(str(tmp_path / "vdsr.pt"))
    method = method_from(f"torchscript:{tmp_path}/vdsr.pt[channels=y,input=enlarged,output=residual]")
    colour = to_array(photograph[..., :24, :32])
    for small in (colour, np.ascontiguousarray(colour[..., 1])):
        case = case_of(small, 3)
        np.testing.assert_allclose(method.restore(small, case), example.restore(small, case), atol=1e-4)


def test_another_scale_or_task_is_refused(weights, photograph):
    method = method_from(f"python:{FILE}:RealESRGAN[weights={weights}/realesr_general_x4v3.pth]")
    assert "enlarges 4 times" in str(method.supports(case_of(to_array(photograph), 2)))
    assert "enlarges 4 times" in str(method.supports(Case.of(photograph, "denoise", {"sigma": 0.1})))


def test_missing_weights_are_named_before_any_work(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.pth"):
        method_from(f"python:{FILE}:VDSR[weights={tmp_path}/none.pth]")


@pytest.mark.parametrize("name", ["VDSR", "RealESRGAN"])
def test_weights_of_another_network_are_named(name, tmp_path):
    file = tmp_path / "other.pth"
    torch.save({"layer.0.weight": torch.zeros(4, 4, 3, 3)}, file)
    with pytest.raises(ValueError, match=r"other\.pth holds no weights of"):
        method_from(f"python:{FILE}:{name}[weights={file}]").prepare()
