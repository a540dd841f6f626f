"""The measures agree with scikit-image and with the conventions of the published tables."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import color
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from zeroshot.metrics import CONVENTIONS, luma_16_235, psnr, psnr_y, ssim


@pytest.fixture
def noisy(photograph: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return photograph + 0.1 * torch.randn(photograph.shape, generator=generator)


def as_array(image: torch.Tensor) -> np.ndarray:
    return image[0].permute(1, 2, 0).double().numpy()


def test_psnr_agrees_with_scikit_image(photograph: torch.Tensor, noisy: torch.Tensor) -> None:
    expected = peak_signal_noise_ratio(as_array(photograph), as_array(noisy), data_range=1)
    assert psnr(noisy, photograph) == pytest.approx(expected, abs=1e-6)


def test_psnr_of_a_known_error(photograph: torch.Tensor) -> None:
    assert psnr(photograph + 0.1, photograph) == pytest.approx(20, abs=1e-4)


def test_equal_images_have_infinite_psnr(photograph: torch.Tensor) -> None:
    assert psnr(photograph, photograph) == math.inf


def test_arrays_and_tensors_give_the_same(photograph: torch.Tensor, noisy: torch.Tensor) -> None:
    assert psnr(as_array(noisy), photograph) == psnr(noisy[0], photograph)


def test_grey_arrays_need_no_channel_axis(photograph: torch.Tensor, noisy: torch.Tensor) -> None:
    assert psnr(as_array(noisy)[..., 0], as_array(photograph)[..., 0]) == psnr(
        noisy[:, :1], photograph[:, :1]
    )


def test_the_border_is_left_out(photograph: torch.Tensor) -> None:
    damaged = photograph.clone()
    damaged[..., :4, :] = 9
    damaged[..., -4:] = 9
    assert psnr(damaged, photograph, border=4) == math.inf
    assert psnr(damaged, photograph, border=3) < 20


@pytest.mark.parametrize("measure", [psnr, psnr_y, ssim])
def test_the_data_range_scales_both(measure, photograph: torch.Tensor, noisy: torch.Tensor) -> None:
    expected = measure(noisy, photograph)
    assert measure(255 * noisy, 255 * photograph, data_range=255) == pytest.approx(expected, abs=1e-4)


def test_8_bit_quantisation_is_what_saved_images_give(photograph: torch.Tensor, noisy: torch.Tensor) -> None:
    saved = [(255 * as_array(x).clip(0, 1)).round().astype(np.uint8) for x in (noisy, photograph)]
    expected = peak_signal_noise_ratio(saved[1], saved[0])
    assert psnr(noisy, photograph, quantise="8-bit") == pytest.approx(expected, abs=1e-6)


def test_integer_arrays_are_taken_with_their_range(photograph: torch.Tensor, noisy: torch.Tensor) -> None:
    saved = [(255 * as_array(x).clip(0, 1)).round().astype(np.uint8) for x in (noisy, photograph)]
    expected = psnr(noisy, photograph, quantise="8-bit")
    assert psnr(*saved, data_range=255) == pytest.approx(expected, abs=1e-6)


def test_luma_agrees_with_scikit_image(photograph: torch.Tensor) -> None:
    expected = color.rgb2ycbcr(as_array(photograph))[..., 0] / 255
    assert np.allclose(luma_16_235(photograph)[0, 0].numpy(), expected, atol=1e-6)


def test_luma_of_grey_is_that_of_equal_colours(photograph: torch.Tensor) -> None:
    grey = photograph[:, :1]
    assert torch.allclose(luma_16_235(grey), luma_16_235(grey.expand(-1, 3, -1, -1)))


def test_luma_spans_16_to_235() -> None:
    black_and_white = torch.tensor([0.0, 1.0]).expand(1, 3, 1, 2)
    assert torch.allclose(255 * luma_16_235(black_and_white).flatten(), torch.tensor([16.0, 235.0]))


def test_luma_needs_one_or_three_channels() -> None:
    with pytest.raises(ValueError, match="1 or 3 channels, got 4"):
        psnr_y(torch.zeros(1, 4, 8, 8), torch.zeros(1, 4, 8, 8))


def test_bicubic_enlargement_of_set5_gives_the_published_figure(shared: Path) -> None:
    folder = shared / "data" / "set5"
    figures = []
    for path in sorted((folder / "hr_x4").glob("*.png")):
        sharp = Image.open(path).convert("RGB")
        small = Image.open(folder / "lr_x4" / path.name).convert("RGB")
        enlarged = small.resize(sharp.size, Image.Resampling.BICUBIC)
        pair = [np.asarray(x, np.float64) / 255 for x in (enlarged, sharp)]
        figures.append(CONVENTIONS["psnr_y_border4"](*pair))
    assert len(figures) == 5
    assert np.mean(figures) == pytest.approx(28.43, abs=0.005)


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_agrees_with_scikit_image(photograph: torch.Tensor, noisy: torch.Tensor, channels: int) -> None:
    pair = [as_array(x)[..., :channels] for x in (photograph, noisy)]
    expected = structural_similarity(
        *pair, channel_axis=2, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(noisy[:, :channels], photograph[:, :channels]) == pytest.approx(expected, abs=1e-6)


def test_ssim_of_equal_images_is_one(photograph: torch.Tensor) -> None:
    assert ssim(photograph, photograph) == pytest.approx(1)


def test_ssim_needs_room_for_its_window() -> None:
    with pytest.raises(ValueError, match="at least 11 × 11 pixels within the border, got 10 × 12"):
        ssim(torch.zeros(1, 1, 10, 12), torch.zeros(1, 1, 10, 12))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reference": torch.zeros(1, 3, 8, 9)}, r"same shape, got \(1, 3, 8, 8\) and \(1, 3, 8, 9\)"),
        ({"border": 4}, "border of 4 pixels leaves nothing of an image of 8 × 8 pixels"),
        ({"border": -1}, "border must be a whole number of at least 0, got -1"),
        ({"data_range": 0}, "data_range must be a positive number, got 0"),
        ({"quantise": True}, "quantise must be 'none' or '8-bit', got True"),
        ({"image": torch.zeros(8, 8)}, r"\(N, C, H, W\) or \(C, H, W\), got shape \(8, 8\)"),
        ({"image": np.zeros((1, 3, 8, 8))}, r"H × W or H × W × C, got shape \(1, 3, 8, 8\)"),
        ({"image": np.zeros((8, 8, 3), np.uint8)}, "an image of uint8 needs data_range="),
    ],
)
def test_bad_input_is_refused(arguments: dict, message: str) -> None:
    good = {"image": torch.zeros(1, 3, 8, 8), "reference": torch.zeros(1, 3, 8, 8)}
    with pytest.raises(ValueError, match=message):
        psnr(**(good | arguments))


def test_other_kinds_of_image_are_refused() -> None:
    with pytest.raises(TypeError, match="a torch tensor or a numpy array, got Image"):
        psnr(Image.new("L", (8, 8)), np.zeros((8, 8)))
