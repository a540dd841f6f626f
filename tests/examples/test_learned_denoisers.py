"""The published denoisers of the examples, on the published weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.pictures import SIGMA, with_noise
from zeroshot.compare.method import Case
from zeroshot.compare.methods.arrays import to_array, to_tensor
from zeroshot.compare.specification import method_from
from zeroshot.images import load
from zeroshot.metrics import psnr, psnr_y
from zeroshot.tasks import make_problem

FILE = Path(__file__).resolve().parents[2] / "examples/learned_denoisers.py"
#: Class, weights, and the PSNR in dB on Set12 (grey) or eleven images of CBSD68 (colour), sigma = 25.
FIGURES = [
    ("FFDNet", "ffdnet_gray", "set12", 30.44),
    ("DnCNN", "dncnn_25", "set12", 30.43),
    ("DnCNN3", "dncnn3", "set12", 30.18),
    ("FFDNet", "ffdnet_color", "cbsd68", 31.74),
    ("CDnCNN", "dncnn_color_25", "cbsd68", 31.85),
]


@pytest.fixture
def weights(shared) -> Path:
    folder = shared / "weights/denoise"
    if not folder.is_dir():
        pytest.skip("needs the published weights in the folder `shared`")
    return folder


def noisy_case(clean: torch.Tensor, sigma: float = SIGMA) -> tuple[np.ndarray, Case]:
    noisy = with_noise(clean, sigma)
    return to_array(noisy), Case.of(noisy, "denoise", {"sigma": sigma})


@pytest.mark.slow
@pytest.mark.parametrize(("name", "file", "folder", "figure"), FIGURES)
def test_the_figures_are_the_measured_ones(name, file, folder, figure, weights, shared):
    method = method_from(f"python:{FILE}:{name}[weights={weights}/{file}.pth]")
    values = []
    for image in sorted((shared / "data" / folder).glob("*.png")):
        clean = load(image).colours
        noisy, case = noisy_case(clean)
        assert method.supports(case) is None
        values.append(psnr(to_tensor(method.restore(noisy, case)).clamp(0, 1), clean))
    assert np.mean(values) == pytest.approx(figure, abs=0.05)


@pytest.mark.parametrize(("name", "file"), [figure[:2] for figure in FIGURES])
def test_noise_goes_and_the_image_stays(name, file, weights, photograph):
    method = method_from(f"python:{FILE}:{name}[weights={weights}/{file}.pth]")
    clean = photograph[..., :63, :65]  # odd sides
    noisy, case = noisy_case(clean)
    restored = to_tensor(method.restore(noisy, case))
    assert restored.shape == clean.shape
    assert psnr(restored, clean) > psnr(to_tensor(noisy), clean) + 7
    if "color" not in file:
        grey, case = noisy_case(clean[:, :1])
        restored = to_tensor(method.restore(grey, case))
        assert psnr(restored, clean[:, :1]) > psnr(to_tensor(grey), clean[:, :1]) + 7


def test_a_grey_model_restores_the_channels_of_a_colour_image_one_by_one(weights, photograph):
    method = method_from(f"python:{FILE}:FFDNet[weights={weights}/ffdnet_gray.pth]")
    clean = photograph[..., :32, :40]
    noisy, case = noisy_case(clean)
    _, grey = noisy_case(clean[:, :1])
    single = method.restore(np.ascontiguousarray(noisy[..., 2]), grey)
    np.testing.assert_allclose(method.restore(noisy, case)[..., 2], single, atol=1e-5)


def test_ffdnet_is_told_the_noise_level(weights, photograph):
    method = method_from(f"python:{FILE}:FFDNet[weights={weights}/ffdnet_color.pth]")
    clean = photograph[..., :64, :64]
    noisy, right = noisy_case(clean, 50 / 255)
    _, wrong = noisy_case(clean, 15 / 255)
    gains = [psnr(to_tensor(method.restore(noisy, case)), clean) for case in (right, wrong)]
    assert gains[0] > gains[1] + 3


def test_dncnn3_sharpens_enlargements(weights, shared):
    method = method_from(f"python:{FILE}:DnCNN3[weights={weights}/dncnn3.pth]")
    truth = load(shared / "data/set5/hr_x3/butterfly.png").colours[..., :144, :144]
    small = to_array(load(shared / "data/set5/lr_x3/butterfly.png").colours[..., :48, :48])
    case = Case.of(small, "sr", {"scale": 3})
    quality = [
        psnr_y(to_tensor(one.restore(small, case)), truth, 12) for one in (method, method_from("bicubic"))
    ]
    assert quality[0] > quality[1] + 3


def test_what_a_model_was_not_trained_for_is_said(weights, photograph):
    def reason(text: str, clean: torch.Tensor, sigma: float = SIGMA) -> str:
        return str(method_from(f"python:{FILE}:{text}").supports(noisy_case(clean, sigma)[1]))

    dncnn = f"DnCNN[weights={weights}/dncnn_25.pth]"
    assert "trained for noise of 25 grey levels, this has 50" in reason(dncnn, photograph, 50 / 255)
    for colour in (
        f"CDnCNN[weights={weights}/dncnn_color_25.pth]",
        f"FFDNet[weights={weights}/ffdnet_color.pth]",
    ):
        assert "for colour images" in reason(colour, photograph[:, :1])
    problem, _, _ = make_problem("sr", load(photograph), {"scale": 2})
    method = method_from(f"python:{FILE}:FFDNet[weights={weights}/ffdnet_color.pth]")
    assert "noise only" in str(method.supports(Case("sr", {"scale": 2}, problem)))


def test_missing_weights_are_named_before_any_work(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.pth"):
        method_from(f"python:{FILE}:FFDNet[weights={tmp_path}/none.pth]")
