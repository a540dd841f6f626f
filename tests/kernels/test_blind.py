"""The kernel of a picture, found from the picture: lines, lenses, none."""

import numpy as np
import pytest
import skimage.data
import torch

from zeroshot.images import load
from zeroshot.kernels import blur_kernel
from zeroshot.kernels.edge_widths import DirectionalWidths, directional_widths, gaussian_of
from zeroshot.kernels.kernel_fit import (
    StrongEdges,
    centred,
    fitted_kernel,
    impulse,
    mean_kernel,
    pruned,
    spread,
)
from zeroshot.kernels.periodic import Canvas, differences, transposed_differences
from zeroshot.kernels.shapes import nearest_line
from zeroshot.kernels.sharp_image import (
    SmallVariation,
    restored_sparsity,
    small_slopes,
    small_variation,
)
from zeroshot.metrics import kernel_similarity, psnr
from zeroshot.operators import Blur, kernels


def scene(name: str = "camera", side: int = 200) -> torch.Tensor:
    image = load(getattr(skimage.data, name)()).colours
    return torch.nn.functional.interpolate(
        image[..., :512, :512], size=side, mode="bicubic", antialias=True
    ).clamp(0, 1)


def blurred(kernel: np.ndarray, noise: float = 0.005, image: torch.Tensor | None = None) -> torch.Tensor:
    """A picture of which nothing beyond the border is known."""
    y = Blur(kernel, "valid")(scene(side=130) if image is None else image)
    return (y + noise * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)


def shaken() -> np.ndarray:
    """A bent path of a camera."""
    kernel = np.zeros((15, 15))
    for step in np.linspace(0, 1, 60):
        kernel[round(3 + 8 * step), round(3 + 9 * step**2)] += 1
    return kernel / kernel.sum()


def test_a_path_is_found():
    found = blur_kernel(blurred(shaken()))
    assert found.kind == "free"
    assert kernel_similarity(found.kernel, shaken()).value > 0.75
    assert found.kernel.shape[0] % 2 == 1
    assert found.kernel.min() >= 0
    assert found.kernel.sum() == pytest.approx(1)


@pytest.mark.parametrize("sigma", [pytest.param(1.2, marks=pytest.mark.slow), 2.0])
def test_a_lens_is_found(sigma):
    truth = np.outer(kernels.gaussian(sigma), kernels.gaussian(sigma))
    found = blur_kernel(blurred(truth))
    assert kernel_similarity(found.kernel, truth).value > 0.95


def test_where_the_kind_is_known_it_is_of_that_kind():
    y = blurred(kernels.motion(11, 20))
    line = blur_kernel(y, "motion")
    assert line.kind == "motion"
    assert line.parameters["motion"] == pytest.approx(11, abs=4)
    assert line.parameters["angle"] == pytest.approx(20, abs=12)
    assert blur_kernel(y, "lens").kind in ("gaussian", "free")


@pytest.mark.parametrize("side", [200, 40])
def test_sharp_and_tiny_pictures_have_none(side):
    assert blur_kernel(scene(side=side)).kind == "none"


@pytest.mark.parametrize("level", [0.5, 1.0])
def test_pictures_without_edges_have_none(level):
    flat = torch.full((1, 3, 96, 96), level)
    found = blur_kernel(flat)
    assert found.kind == "none"
    assert found.confidence == 0
    noise = torch.randn(1, 1, 96, 96, generator=torch.Generator().manual_seed(1))
    assert blur_kernel((0.5 + 0.05 * noise).clamp(0, 1)).kind == "none"


def test_hidden_and_saturated_places_are_no_evidence():
    y = blurred(shaken())
    known = torch.ones(1, 1, *y.shape[-2:], dtype=torch.bool)
    known[..., 40:90, 40:90] = False
    garbage = torch.where(known, y, (torch.arange(y.shape[-1]) % 2).float())
    assert kernel_similarity(blur_kernel(garbage, known=known).kernel, shaken()).value > 0.6


def test_the_fit_recovers_a_kernel_from_the_sharp_image():
    truth = torch.from_numpy(shaken()).float()
    canvas = Canvas.around(scene()[0, 0], torch.ones(200, 200), 15)
    y = canvas.from_spectrum(torch.fft.rfft2(canvas.image) * canvas.transfer(truth))
    gradient = StrongEdges()(differences(canvas.image), 15)
    found = pruned(fitted_kernel(differences(canvas.image), y, 15, 0.0, 400), 0.01, 0.01)
    assert kernel_similarity(found.numpy(), truth.numpy()).value > 0.97
    assert 0 < float((gradient != 0).float().mean()) < 0.5


def test_the_image_goes_on_beyond_the_border():
    kernel = np.pad(kernels.motion(25, 0), ((12, 12), (0, 0)))
    y = blurred(kernel, image=scene())[0, 0]
    truth = scene()[..., 12:-12, 12:-12]
    canvas = Canvas.around(y, torch.ones_like(y), 13)
    weights = torch.from_numpy(kernel).float()

    def quality(x: torch.Tensor) -> float:
        return psnr(x[None, None, : y.shape[0], : y.shape[1]].clamp(0, 1), truth)

    whole, again = SmallVariation(canvas, 5e-4), SmallVariation(canvas, 5e-4)
    image, measurement = whole(weights, 40)
    assert quality(image) > quality(small_variation(canvas, weights, 5e-4)[0]) + 1
    assert measurement[: y.shape[0], : y.shape[1]].equal(y)
    again(weights, 30)
    torch.testing.assert_close(again(weights, 10)[0], image)


def test_a_kernel_with_a_fringe_makes_more_small_slopes():
    y = blurred(shaken())[0, 0]
    canvas = Canvas.around(y, torch.ones_like(y), 9)
    truth = torch.from_numpy(shaken()).float()
    fringed = 0.7 * truth + 0.3 / truth.numel()
    assert small_slopes(canvas, truth) < 0.99 * small_slopes(canvas, fringed)


def test_noise_does_not_break_a_smooth_path_into_dots():
    truth = torch.from_numpy(shaken()).float()
    canvas = Canvas.around(scene()[0, 0], torch.ones(200, 200), 15)
    y = canvas.from_spectrum(torch.fft.rfft2(canvas.image) * canvas.transfer(truth))
    y = y + 0.05 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    gradient = StrongEdges()(differences(canvas.image), 15)

    def roughness(smoothness: float) -> float:
        kernel = fitted_kernel(gradient, y, 15, 0.0, 200, smoothness)
        return float(differences(kernel / kernel.sum()).square().sum())

    assert roughness(100.0) < 0.7 * roughness(0.0)


def test_edges_that_a_lens_has_blurred_are_wide_in_all_directions():
    sharp, moved, soft, few = (
        DirectionalWidths(widths)
        for widths in ((0.45,) * 6, (0.45,) * 4 + (0.9, 1.2), (0.7,) * 6, (0.9,) * 2 + (np.nan,) * 4)
    )
    assert not sharp.is_blurred
    assert not sharp.is_wide
    assert moved.is_blurred
    assert not moved.is_wide
    assert soft.is_blurred
    assert soft.is_wide
    assert few.is_blurred
    assert not few.is_wide
    assert not DirectionalWidths((np.nan,) * 6).is_blurred


def test_differences_and_their_adjoint():
    generator = torch.Generator().manual_seed(0)
    x, p = torch.randn(9, 7, generator=generator), torch.randn(2, 9, 7, generator=generator)
    assert float((differences(x) * p).sum()) == pytest.approx(
        float((x * transposed_differences(p)).sum()), rel=1e-4
    )


def test_the_mean_of_kernels_does_not_see_where_they_are():
    path = torch.from_numpy(shaken()).float()
    path = torch.nn.functional.pad(path, (4, 4, 4, 4))
    moved = path.roll((2, -1), (0, 1))
    centre = mean_kernel([path], [3.0])
    assert float(centre.sum()) == pytest.approx(1)
    assert torch.allclose(mean_kernel([path, moved], [1.0, 0.5]), centre, atol=1e-7)
    wide = torch.full_like(path, 1 / path.numel())
    assert torch.allclose(mean_kernel([wide, path], [0.0, 2.0]), centre, atol=1e-7)


def test_pruned_kernels_lose_specks_and_stand_in_the_middle():
    kernel = torch.zeros(11, 11)
    kernel[1:4, 1:4], kernel[9, 9] = 1, 0.1
    kept = pruned(kernel, 0.02, 0.05)
    assert kept[9, 9] == 0
    torch.testing.assert_close(kept[4:7, 4:7], torch.full((3, 3), 1 / 9))
    assert float(pruned(torch.zeros(5, 5), 0.1, 0.1)[2, 2]) == 1
    assert spread(impulse(5)) == 0
    assert centred(kept).equal(kept)


def test_the_line_that_is_most_like_a_free_kernel():
    free = np.zeros((17, 17))
    line = kernels.motion(13, 63)
    top, left = ((17 - length) // 2 for length in line.shape)
    free[top : top + line.shape[0], left : left + line.shape[1]] = line
    found = nearest_line(free + 1e-3)
    assert found.parameters["motion"] == pytest.approx(13, abs=1)
    assert found.parameters["angle"] == pytest.approx(63, abs=3)


def test_widths_of_edges_follow_the_blur_along_each_axis():
    down, right = (
        directional_widths(Blur(gaussian_of(np.diag(axes)), "valid")(scene()), 0.0).gaussian()
        for axes in ((4.0, 1.0), (1.0, 4.0))
    )
    assert down[0, 0] > 1.3 * down[1, 1]
    assert right[1, 1] > 1.3 * right[0, 0]
    with pytest.raises(ValueError, match="no edges"):
        directional_widths(torch.zeros(1, 1, 64, 64), 0.0).gaussian()


def test_gradients_are_sparsest_with_the_kernel_that_blurred():
    plane = blurred(shaken())[0, 0]
    known, truth = torch.ones_like(plane), torch.from_numpy(shaken()).float()
    right = restored_sparsity(plane, known, truth, 21)
    assert right < restored_sparsity(plane, known, impulse(15), 21)
    assert right < restored_sparsity(plane, known, truth.flip(0), 21)
