"""Properties of non-local means."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.restoration import denoise_nl_means

from tests.pictures import SIGMA, decibels, read, uniform, with_noise
from zeroshot.priors.filters import pixel_pairs
from zeroshot.priors.self_similarity.nonlocal_means import LEAST_OWN_WEIGHT, NonlocalMeans


def literal(y: np.ndarray, prior: NonlocalMeans, sigma: float) -> np.ndarray:
    """The definition, patch by patch, of (H, W, C)."""
    assert prior.patch is not None
    assert prior.window is not None
    assert prior.strength is not None
    height, width, _ = y.shape
    q, r, h = prior.patch // 2, prior.window // 2, prior.strength * sigma
    padded = np.pad(y.astype(np.float64), ((q, q), (q, q), (0, 0)), mode="symmetric")

    def patch(i: int, j: int) -> np.ndarray:
        return padded[i : i + 2 * q + 1, j : j + 2 * q + 1]

    sums, counts = np.zeros_like(padded), np.zeros(padded.shape[:2])
    pixelwise = np.zeros(y.shape)
    for i in range(height):
        for j in range(width):
            window = [
                (k, m)
                for k in range(max(0, i - r), min(height, i + r + 1))
                for m in range(max(0, j - r), min(width, j + r + 1))
            ]
            weights = {
                place: math.exp(
                    -max(float(np.mean((patch(i, j) - patch(*place)) ** 2)) - 2 * sigma**2, 0.0) / h**2
                )
                for place in window
                if place != (i, j)
            }
            weights[i, j] = max([LEAST_OWN_WEIGHT, *weights.values()])
            total = sum(weights.values())
            pixelwise[i, j] = sum(w * y[place] for place, w in weights.items()) / total
            sums[i : i + 2 * q + 1, j : j + 2 * q + 1] += (
                sum(w * patch(*place) for place, w in weights.items()) / total
            )
            counts[i : i + 2 * q + 1, j : j + 2 * q + 1] += 1
    if prior.aggregation == "pixelwise":
        return pixelwise
    return (sums / counts[..., None])[q : q + height, q : q + width]


@pytest.mark.parametrize("aggregation", ["pixelwise", "patchwise"])
@pytest.mark.parametrize(("patch", "window"), [(3, 7), (5, 5), (1, 5), (7, 3), (3, 31)])
@pytest.mark.parametrize("channels", [1, 3])
def test_agrees_with_the_definition(
    patch: int, window: int, channels: int, aggregation: str, photograph: torch.Tensor
) -> None:
    y = with_noise(photograph[:, :channels, 30:41, 30:38])
    prior = NonlocalMeans(patch, window, 0.6, aggregation)  # type: ignore[arg-type]
    expected = literal(y[0].permute(1, 2, 0).numpy(), prior, SIGMA)
    result = prior.denoise(y, SIGMA)[0].permute(1, 2, 0)
    torch.testing.assert_close(result, torch.from_numpy(expected).float(), atol=2e-6, rtol=0)


@pytest.mark.parametrize("aggregation", ["pixelwise", "patchwise"])
def test_strips_do_not_show(
    aggregation: str, photograph: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    y, prior = with_noise(photograph[..., :40, :40]), NonlocalMeans(5, 7, aggregation=aggregation)  # type: ignore[arg-type]
    whole = prior.denoise(y, SIGMA)
    for rows in (1, 7, 30):
        monkeypatch.setattr(pixel_pairs, "STRIP_PIXELS", rows * y.shape[-1])
        torch.testing.assert_close(prior.denoise(y, SIGMA), whole, atol=5e-6, rtol=0)


@pytest.mark.parametrize("sigma", [10 / 255, 25 / 255, 50 / 255])
@pytest.mark.parametrize("channels", [1, 3])
def test_gains_at_every_level_of_noise(sigma: float, channels: int, photograph: torch.Tensor) -> None:
    x = photograph[:, :channels]
    y = with_noise(x, sigma)
    gain = decibels(NonlocalMeans().denoise(y, sigma), x) - decibels(y, x)
    assert gain > {10: 2.8, 25: 6.5, 50: 9}[round(255 * sigma)]


def test_patchwise_gains_over_pixelwise(photograph: torch.Tensor) -> None:
    y = with_noise(photograph[:, :1])
    pixelwise, patchwise = (
        decibels(NonlocalMeans(aggregation=a).denoise(y, SIGMA), photograph[:, :1])  # type: ignore[arg-type]
        for a in ("pixelwise", "patchwise")
    )
    assert patchwise > pixelwise + 0.2


@pytest.mark.parametrize(("channels", "patch", "strength"), [(1, 5, 0.4), (3, 3, 0.55)])
def test_is_at_least_as_good_as_scikit_image(
    channels: int, patch: int, strength: float, photograph: torch.Tensor
) -> None:
    x = photograph[:, :channels]
    y = with_noise(x)
    pixels = y[0].permute(1, 2, 0).numpy()
    peer = denoise_nl_means(pixels, patch, 10, strength * SIGMA, True, SIGMA, channel_axis=-1)
    peer = torch.from_numpy(peer.reshape(pixels.shape).copy()).permute(2, 0, 1)[None]
    assert decibels(NonlocalMeans().denoise(y, SIGMA), x) > decibels(peer, x)


@pytest.mark.parametrize("aggregation", ["pixelwise", "patchwise"])
def test_averages_stay_within_the_range_and_keep_constants(
    aggregation: str, photograph: torch.Tensor
) -> None:
    prior, y = NonlocalMeans(5, 9, aggregation=aggregation), with_noise(photograph)  # type: ignore[arg-type]
    x = prior.denoise(y, SIGMA)
    assert (x >= y.amin((2, 3), keepdim=True) - 1e-6).all()
    assert (x <= y.amax((2, 3), keepdim=True) + 1e-6).all()
    constant = torch.full((1, 3, 20, 13), 0.6)
    torch.testing.assert_close(prior.denoise(constant, SIGMA), constant, atol=1e-6, rtol=0)


@pytest.mark.parametrize("aggregation", ["pixelwise", "patchwise"])
def test_turning_the_image_turns_the_result(aggregation: str, photograph: torch.Tensor) -> None:
    prior = NonlocalMeans(3, 9, aggregation=aggregation)  # type: ignore[arg-type]
    y = with_noise(photograph[..., :31, :44])
    x = prior.denoise(y, SIGMA)
    turned = prior.denoise(y.rot90(1, (-2, -1)).contiguous(), SIGMA)
    torch.testing.assert_close(turned, x.rot90(1, (-2, -1)), atol=1e-6, rtol=0)
    torch.testing.assert_close(prior.denoise(y.mT.contiguous(), SIGMA), x.mT, atol=1e-6, rtol=0)


def test_without_noise_the_image_stays(photograph: torch.Tensor) -> None:
    y = with_noise(photograph)
    assert torch.equal(NonlocalMeans().denoise(y, 0.0), y)
    torch.testing.assert_close(NonlocalMeans().denoise(y, 1e-5), y, atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 7), (5, 4)])
@pytest.mark.parametrize("sigma", [SIGMA, 90 / 255])
def test_images_smaller_than_patch_and_window(shape: tuple[int, int], sigma: float) -> None:
    y = uniform(1, 3, *shape)
    x = NonlocalMeans().denoise(y, sigma)
    assert x.shape == y.shape
    assert torch.isfinite(x).all()
    assert x.amin() >= y.amin() - 1e-6
    assert x.amax() <= y.amax() + 1e-6


def test_settings_follow_the_noise() -> None:
    prior = NonlocalMeans(window=9)
    assert prior._settings_at(15 / 255, 1) == (3, 9, 0.40)
    assert prior._settings_at(16 / 255, 1) == (5, 9, 0.40)
    assert prior._settings_at(25 / 255, 3) == (3, 9, 0.55)
    assert NonlocalMeans()._settings_at(2.0, 3) == (7, 35, 0.35)
    assert NonlocalMeans().repeated()._settings_at(2.0, 3) == (7, 21, 0.35)
    assert prior.repeated() == prior


@pytest.mark.slow
def test_reaches_the_published_mean_of_nine_colour_images(shared: Path) -> None:
    """30.26 dB, as quoted in the table of Deep Image Prior."""
    levels = []
    for file in sorted((shared / "data" / "colour9").glob("*.png")):
        x = read(file)
        levels.append(decibels(NonlocalMeans().denoise(with_noise(x), SIGMA).clamp(0, 1), x))
    assert len(levels) == 9
    assert sum(levels) / 9 > 30.26
