"""Every prior that needs no weights, on tasks that it is meant for, beats the first estimate of a real crop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import zeroshot
from tests.pictures import SIGMA, seeded, with_noise
from zeroshot.images import load
from zeroshot.metrics import psnr
from zeroshot.noise import random_mask, stripes
from zeroshot.operators import Blur, Downsample, Grayscale, JpegCompression, Mosaic
from zeroshot.registry import prior_class
from zeroshot.tasks import make_problem

Damaged = tuple[torch.Tensor, dict[str, Any]]


def denoise(clean: torch.Tensor) -> Damaged:
    return with_noise(clean), {"sigma": SIGMA}


def destripe(clean: torch.Tensor) -> Damaged:
    return clean + stripes(tuple(clean.shape), 0.1, "columns", seeded()), {"sigma": 0.0}


def inpaint(clean: torch.Tensor) -> Damaged:
    mask = random_mask(tuple(clean.shape), 0.5, seeded())
    return clean * mask, {"mask": mask}


def inpaint_noisy(clean: torch.Tensor) -> Damaged:
    # Without noise total variation does no better at random holes than the smooth filling it starts from.
    mask = random_mask(tuple(clean.shape), 0.5, seeded())
    return with_noise(clean, 15 / 255) * mask, {"mask": mask, "sigma": 15 / 255}


def super_resolve(clean: torch.Tensor) -> Damaged:
    return Downsample(2)(clean), {"scale": 2}


def colorize(clean: torch.Tensor) -> Damaged:
    drawn = random_mask(tuple(clean.shape), 0.95, seeded())
    hints = torch.cat([clean * drawn, drawn], dim=1)
    return Grayscale()(clean), {"hints": hints}


def demosaic(clean: torch.Tensor) -> Damaged:
    return Mosaic("RGGB")(clean), {"pattern": "RGGB"}


def deblur(clean: torch.Tensor) -> Damaged:
    blur = Blur.gaussian(1.5)
    return with_noise(blur(clean), 2 / 255), {"kernel": blur.kernel, "sigma": 2 / 255}


def soften(clean: torch.Tensor) -> Damaged:
    return with_noise(Blur.gaussian(1.2)(clean), 2 / 255), {"radius": 1.2}


def restore(clean: torch.Tensor) -> Damaged:
    operator = Mosaic("RGGB") @ Downsample(2)
    return with_noise(operator(clean), 10 / 255), {"operator": operator, "sigma": 10 / 255}


def jpeg(clean: torch.Tensor) -> Damaged:
    return JpegCompression(10, "4:2:0")(clean), {"quality": 10, "subsampling": "4:2:0"}


def slow(*pair: Any) -> Any:
    return pytest.param(*pair, marks=pytest.mark.slow)


# The gain in dB that is asked for: well below what is measured, well above chance. Of the slow ones the prior is
# tried on the task, or on one like it, by tests of its own.
PAIRS: list[Any] = [
    ("denoise", "tv", denoise, 6.0),
    ("destripe", "tv", destripe, 3.0),
    ("inpaint", "tv", inpaint_noisy, 1.0),
    ("sr", "tv", super_resolve, 0.2),
    slow("colorize", "tv", colorize, 5.0),
    slow("demosaic", "tv", demosaic, 2.0),
    slow("deblur", "tv", deblur, 1.5),
    ("deblur", "richardson_lucy", deblur, 1.5),
    slow("deblur", "selfdeblur", deblur, 1.5),
    ("deblur", "wiener", deblur, 1.5),
    ("sharpen", "wiener", soften, 1.0),
    ("deblur", "unsupervised_wiener", deblur, 1.5),
    ("restore", "tv", restore, 0.5),
    ("denoise", "huber_tv", denoise, 6.0),
    ("denoise", "nltv", denoise, 6.0),
    slow("denoise", "tgv", denoise, 6.0),
    slow("inpaint", "tgv", inpaint, 0.3),
    slow("colorize", "tgv", colorize, 10.0),
    slow("sr", "tgv", super_resolve, 0.3),
    slow("deblur", "tgv", deblur, 1.5),
    slow("restore", "tgv", restore, 0.8),
    ("denoise", "bilateral", denoise, 5.0),
    ("denoise", "domain_transform", denoise, 5.0),
    ("denoise", "fourier", denoise, 6.0),
    ("denoise", "perona_malik", denoise, 5.0),
    ("denoise", "coherence", denoise, 5.0),
    ("denoise", "nlm", denoise, 5.5),
    ("denoise", "bm3d", denoise, 7.5),
    ("denoise", "dct", denoise, 7.0),
    ("denoise", "wavelet", denoise, 7.0),
    ("sr", "wavelet", super_resolve, 0.4),
    slow("deblur", "wavelet", deblur, 2.0),
    ("demosaic", "wavelet", demosaic, 3.0),
    ("colorize", "wavelet", colorize, 10.0),
    slow("restore", "wavelet", restore, 0.8),
    slow("denoise", "ksvd", denoise, 6.0),
    slow("inpaint", "ksvd", inpaint, 0.6),
    slow("denoise", "ncsr", denoise, 6.5),
    slow("sr", "ncsr", super_resolve, 0.8),
    slow("deblur", "ncsr", deblur, 1.5),
    slow("deblur", "gsr", deblur, 2.0),
    slow("denoise", "nnm", denoise, 6.0),
    slow("denoise", "wnnm", denoise, 6.5),
    slow("inpaint", "gsr", inpaint, 0.7),
    ("inpaint", "completion", inpaint, 10.0),
    slow("inpaint", "pnp", inpaint, 0.6),
    slow("sr", "pnp", super_resolve, 0.4),
    slow("deblur", "pnp", deblur, 1.5),
    slow("demosaic", "pnp", demosaic, 3.0),
    slow("colorize", "pnp", colorize, 8.0),
    slow("restore", "pnp", restore, 0.8),
    slow("sr", "red", super_resolve, 0.3),
    slow("deblur", "red", deblur, 1.5),
    slow("denoise", "dip", denoise, 6.0),
    slow("inpaint", "dip", inpaint, 0.5),
    slow("sr", "dip", super_resolve, 0.3),
    slow("colorize", "dip", colorize, 5.0),
    slow("demosaic", "dip", demosaic, 0.5),
    slow("deblur", "dip", deblur, 1.0),
    slow("restore", "dip", restore, 0.5),
    ("denoise", "zsn2n", denoise, 2.5),
    slow("denoise", "idr", denoise, 6.0),
    slow("denoise", "pixel2pixel", denoise, 5.0),
    ("denoise", "auto", denoise, 7.0),
    slow("jpeg", "tv", jpeg, 0.02),
    ("jpeg", "dct", jpeg, 0.6),
    ("jpeg", "bm3d", jpeg, 0.6),
    slow("jpeg", "tgv", jpeg, 0.1),
    slow("jpeg", "wnnm", jpeg, 0.6),
    slow("jpeg", "dip", jpeg, 0.1),
    slow("inpaint", "auto", inpaint, 0.4),
    slow("sr", "auto", super_resolve, 0.4),
    slow("colorize", "auto", colorize, 10.0),
    slow("demosaic", "auto", demosaic, 3.0),
    slow("deblur", "auto", deblur, 2.0),
    slow("restore", "auto", restore, 0.8),
]
DAMAGES: dict[str, Callable[[torch.Tensor], Damaged]] = {
    "denoise": denoise,
    "destripe": destripe,
    "inpaint": inpaint,
    "sr": super_resolve,
    "colorize": colorize,
    "demosaic": demosaic,
    "deblur": deblur,
    "sharpen": soften,
    "restore": restore,
    "jpeg": jpeg,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "dip": {"precision": "float32"},
    "zsn2n": {"iterations": 75, "crop": 32},
    "idr": {"iterations": 200, "crop": 48},
    "pixel2pixel": {"iterations": 100, "crop": 48},
}

#: Those of many iterations for many tasks.
CONVEX = ("tv", "huber_tv", "nltv", "wavelet")


def picture_for(task: str, prior: str, photograph: torch.Tensor) -> torch.Tensor:
    """A crop of a photograph; for the completion of a matrix a tartan, since no photograph has a low rank."""
    if prior == "dip":
        return photograph
    if prior != "completion":
        side = 48 if prior in CONVEX and task != "jpeg" else 64
        return photograph[..., :side, :side].contiguous()
    threads = torch.sin(torch.arange(64) * torch.tensor([[0.9], [0.4]])) / 4
    return (0.5 + threads[0][:, None] + threads[1][None, :]).expand(1, 3, -1, -1).contiguous()


@pytest.mark.parametrize(
    ("task", "prior", "damage", "gain"), PAIRS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_the_restored_image_beats_the_first_estimate(
    task: str, prior: str, damage: Callable[[torch.Tensor], Damaged], gain: float, photograph: torch.Tensor
) -> None:
    picture = picture_for(task, prior, photograph)
    damaged, options = damage(picture)
    problem, _, _ = make_problem(task, load(damaged), dict(options))
    # Colours spread from the hints are a colorization already, so that grey is what to compare with.
    first = (
        problem.framed(problem.initial()) if task != "colorize" else Grayscale()(picture).expand_as(picture)
    )
    # Stripes are subtracted before the problem is posed.
    first = damaged if task == "destripe" else first
    before = psnr(first, picture)
    result = zeroshot.solve(damaged, task, prior, settings=SETTINGS.get(prior, {}), **options)
    after = psnr(result.image.clamp(0, 1), picture)
    print(
        f"{task} {prior}: {before:.2f} → {after:.2f} dB, {result.iterations} iterations, {result.seconds:.1f} s"
    )
    assert result.image.shape == picture.shape
    assert after > before + gain


def test_every_prior_that_needs_no_weights_is_tested() -> None:
    tested = {(pair.values if hasattr(pair, "values") else pair)[1] for pair in PAIRS}
    assert tested <= set(zeroshot.prior_names())
    for prior in set(zeroshot.prior_names()) - tested:
        assert "weights=" in prior_class(prior).summary


def test_every_task_has_a_prior_that_is_tested_on_it() -> None:
    tasks = {(pair.values if hasattr(pair, "values") else pair)[0] for pair in PAIRS}
    assert tasks == set(DAMAGES) == set(zeroshot.tasks())


@pytest.mark.parametrize("prior", ["dip", "tv"])
def test_colours_without_hints_are_a_guess_that_agrees_with_the_grey(
    prior: str, photograph: torch.Tensor
) -> None:
    grey = Grayscale()(photograph)[..., :48, :48]
    settings = {"iterations": 60, "channels": 16} if prior == "dip" else {}
    with pytest.warns(UserWarning, match="can only guess"):
        result = zeroshot.solve(grey, "colorize", prior, settings=settings)
    assert result.image.shape == (1, 3, 48, 48)
    assert psnr(Grayscale()(result.image), grey) > 20


@pytest.mark.parametrize("term", ["poisson", "l1", "huber"])
@pytest.mark.parametrize("prior", [pytest.param("dip", marks=pytest.mark.slow), "tv"])
def test_every_data_term_restores(term: str, prior: str, photograph: torch.Tensor) -> None:
    clean = photograph[..., :64, :64]
    noisy = with_noise(clean)
    settings = {"iterations": 100, "channels": 16} if prior == "dip" else {}
    peak = 100.0 if term == "poisson" else None
    result = zeroshot.solve(
        noisy, "denoise", prior, sigma=SIGMA, data_term=term, peak=peak, settings=settings
    )
    assert psnr(result.image.clamp(0, 1), clean) > psnr(noisy, clean) + 2
