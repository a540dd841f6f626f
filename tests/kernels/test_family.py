"""The kernels around one that was found: their options are accepted, and mean the kernels that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zeroshot.images import load
from zeroshot.kernels import KernelEstimate
from zeroshot.kernels.downsampling import gaussian_kernel
from zeroshot.kernels.family import blurs_around, downsamplings_around
from zeroshot.operators import kernels
from zeroshot.tasks import make_problem, task_named

BLURS = [
    KernelEstimate(np.outer(kernels.gaussian(1.6), kernels.gaussian(1.6)), "gaussian", {"gaussian": 1.6}),
    KernelEstimate(kernels.disk(3.2), "defocus", {"disk": 3.2}),
    KernelEstimate(kernels.motion(9, 30), "motion", {"motion": 9.0, "angle": 30.0}),
    KernelEstimate(kernels.motion(7, 170) + np.pad(kernels.disk(1), [(0, 0), (3, 3)])),
    KernelEstimate(np.ones((1, 1)), "none"),
]


def moments(kernel: np.ndarray) -> np.ndarray:
    """The variances down and across."""
    rows, columns = (np.arange(length) - (length - 1) / 2 for length in kernel.shape)
    return np.array([kernel.sum(axis=1) @ rows**2, kernel.sum(axis=0) @ columns**2])


@pytest.mark.parametrize("found", BLURS, ids=lambda found: found.kind)
def test_every_blur_has_an_option_that_deblur_takes(found: KernelEstimate) -> None:
    family = blurs_around(found)
    words = [one.options["kernel"] for one in family]
    assert len(set(words)) == len(words) >= 9
    assert sum(one.is_estimate for one in family) == (found.kind != "none")
    for one in family:
        task_named("deblur").completed(one.options)
        if one.kernel is None:
            problem, _, _ = make_problem(
                "deblur", load(torch.rand(1, 48, 48)), {**one.options, "sigma": 0.01}
            )
            assert problem.operator.kernel.numel() > 1


def test_the_family_of_a_gaussian_is_around_it() -> None:
    words = [one.options["kernel"] for one in blurs_around(BLURS[0]) if not one.is_estimate]
    widths = [float(word.removeprefix("gaussian=")) for word in words if word.startswith("gaussian")]
    assert min(widths) < 1.1 < 1.6 < 1.8 < max(widths)
    assert any(word.startswith("disk=3.2") for word in words)


def test_a_line_is_turned_the_less_the_longer_it_is() -> None:
    def angles(length: float) -> list[float]:
        found = KernelEstimate(kernels.motion(length, 30), "motion", {"motion": length, "angle": 30.0})
        words = [one.options["kernel"] for one in blurs_around(found)]
        return sorted({float(word.split("angle=")[1]) for word in words if "angle" in word})

    assert 30 in angles(9)
    assert len(angles(9)) == 5
    assert angles(30)[1] - angles(30)[0] < angles(9)[1] - angles(9)[0]


def test_small_images_have_bicubic_beside_gaussians() -> None:
    round_one = KernelEstimate(np.outer(*2 * [kernels.gaussian(1.5, 2)]), "gaussian", {"gaussian": 1.5})
    evidence = {"along": 2.0, "across": 1.0, "angle": 0.0}
    long_one = KernelEstimate(gaussian_kernel(np.diag([4.0, 1.0]), 2), evidence=evidence)
    none = KernelEstimate(np.outer(*2 * [kernels.bicubic(2)]), "none")
    for found in (round_one, long_one, none):
        family = downsamplings_around(found, 2)
        assert {"kernel": "bicubic"} in [one.options for one in family]
        assert sum(one.is_estimate for one in family) == 1
        for one in family:
            task_named("sr").completed({"scale": 2, **one.options})
            make_problem("sr", load(torch.rand(1, 24, 24)), {"scale": 2, "sigma": 0.0, **one.told})


@pytest.mark.parametrize("factor", [0.6, 0.88, 1.25, 1.5])
@pytest.mark.parametrize("scale", [1, 2])
def test_a_kernel_is_widened_about_its_centre(factor: float, scale: int) -> None:
    narrow = np.outer(kernels.gaussian(2.0, scale), kernels.gaussian(1.3, scale))
    wide = kernels.widened(narrow, factor)
    assert [length % 2 for length in wide.shape] == [length % 2 for length in narrow.shape]
    assert wide.sum() == pytest.approx(1)
    assert wide.min() >= 0
    np.testing.assert_allclose(moments(wide), factor**2 * moments(narrow), rtol=0.06)
    np.testing.assert_allclose(wide, wide[::-1, ::-1], atol=1e-12)


def test_what_is_widened_says_so() -> None:
    wide = BLURS[2].widened(2)
    assert wide.parameters == {"motion": 18.0, "angle": 30.0}
    assert wide.evidence["widened"] == 2
    assert BLURS[4].widened(2) is BLURS[4]
    assert BLURS[0].widened(1) is BLURS[0]
