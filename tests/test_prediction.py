"""What predicts the measurements worse than the first estimate is said to, and nothing else is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch

import zeroshot
from tests.pictures import SIGMA, seeded, with_noise
from zeroshot.estimate import Estimate
from zeroshot.noise import random_mask
from zeroshot.operators import Blur, Downsample, Identity, Mask, Mosaic
from zeroshot.prediction import worse_than_first_estimate
from zeroshot.prior import Prior, Run
from zeroshot.problem import Problem


def problems(clean: torch.Tensor) -> dict[str, Problem]:
    mask = random_mask(tuple(clean.shape), 0.5, seeded())
    blur = Blur.gaussian(1.5)
    return {
        "denoise": Problem(with_noise(clean), Identity(), sigma=SIGMA, task="denoise"),
        "inpaint": Problem(clean * mask, Mask(mask), sigma=0.0, task="inpaint", measured=mask),
        "sr": Problem(Downsample(2)(clean), Downsample(2), sigma=0.0, task="sr"),
        "demosaic": Problem(Mosaic("RGGB")(clean), Mosaic("RGGB"), sigma=0.0, task="demosaic"),
        "deblur": Problem(blur(clean), blur, sigma=0.0, task="deblur"),
    }


@pytest.mark.parametrize("task", ["denoise", "inpaint", "sr", "demosaic", "deblur"])
def test_a_picture_of_something_else_is_found_out_and_a_smooth_one_of_the_same_is_not(
    task: str, photograph: torch.Tensor
) -> None:
    problem = problems(photograph)[task]
    orange = torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1).expand(problem.reference_shape)
    worse = worse_than_first_estimate(problem, orange)
    assert worse is not None
    assert worse.result > 2 * worse.first
    assert "grey levels" in str(worse)
    smooth = torch.nn.functional.avg_pool2d(photograph, 3, 1, 1, count_include_pad=False)
    for image in (photograph, problem.initial(), smooth):
        assert worse_than_first_estimate(problem, image) is None


@dataclass(frozen=True)
class Orange(Prior):
    """Makes an orange picture of everything, and a better one of what it is given the time for: never."""

    name: ClassVar[str] = "orange"
    summary: ClassVar[str] = "for tests"

    iterations: int = 3

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        return OrangeRun(problem)


class OrangeRun(Run):
    state = ("iteration",)

    def __init__(self, problem: Problem) -> None:
        self.device, self.iteration = problem.y.device, 0
        self._image = torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1).expand(problem.reference_shape).clone()

    def step(self) -> Estimate:
        self.iteration += 1
        return Estimate(self._image, 1.0, self.iteration)


@pytest.mark.parametrize("budget", [{"seconds": 0.3}, {}], ids=["cut short", "at its end"])
def test_it_is_said_and_a_run_cut_short_gives_the_first_estimate(
    budget: dict[str, Any], photograph: torch.Tensor
) -> None:
    small = Downsample(2)(photograph)
    prior = Orange(iterations=10**9 if budget else 3)
    with pytest.warns(UserWarning, match="predicts the measurements worse than the first estimate"):
        result = zeroshot.solve(small, "sr", prior, scale=2, progress=False, **budget)
    assert "predicts the measurements worse" in result.stopped_by
    if budget:
        assert "for want of time: this is the first estimate instead" in result.stopped_by
        torch.testing.assert_close(result.image, Downsample(2).initial(small).clamp(small.min(), 1))
    else:
        assert result.image[0, 0].min() == 1
