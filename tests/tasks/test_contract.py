"""Every task holds the contract, with the damage that it undoes."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch

import zeroshot
from tests.contract import TaskCase, TaskContract
from tests.pictures import as_image, sample
from zeroshot.tasks.degrade import degrade

#: Every task with options that make its damage; without noise and holes the measurement is not random.
DAMAGES: list[tuple[str, dict[str, Any]]] = [
    ("denoise", {"sigma": 0.1}),
    ("denoise", {"peak": 30.0}),
    ("destripe", {"stripes": 0.1}),
    ("inpaint", {"missing": 0.4}),
    ("sr", {"scale": 3, "sigma": 0.02}),
    ("sr", {"scale": 4, "kernel": "gaussian", "kernel_sigma": 1.6}),
    ("colorize", {"luma": "bt709", "hints": 0.05}),
    ("demosaic", {"pattern": "GRBG", "sigma": 0.02}),
    ("deblur", {"kernel": "motion=7, angle=30", "boundary": "valid", "sigma": 0.02}),
    ("sharpen", {"radius": 1.0, "sigma": 0.02}),
    ("jpeg", {"quality": 20}),
    ("restore", {"operator": "mosaic(RGGB) @ downsample(2)", "sigma": 0.02}),
]
RANDOM = {"sigma", "peak", "missing", "stripes"}


def damage(
    image: torch.Tensor, seed: int, *, task: str, options: dict[str, Any]
) -> tuple[torch.Tensor, dict[str, Any]]:
    result = degrade(image, task, seed=seed, **options)
    return result.measurement, result.options


class TestEveryTask(TaskContract):
    @pytest.fixture(params=DAMAGES, ids=str)
    def case(self, request: pytest.FixtureRequest) -> TaskCase:
        task, options = request.param
        truth = as_image(sample("astronaut")[60:108, 170:218])
        return TaskCase(
            task, truth, functools.partial(damage, task=task, options=options), bool(RANDOM & set(options))
        )


def test_every_task_is_under_contract() -> None:
    assert {task for task, _ in DAMAGES} == set(zeroshot.tasks())
