"""Steps of Deep Image Prior that are recorded once and replayed are those that are made anew each time."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.pictures import seeded, uniform
from tests.recorded_steps import record_on_the_cpu
from zeroshot.operators import Blur, Downsample, Identity, Mask, Operator
from zeroshot.priors.untrained import deep_image_run, joint_fit
from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior
from zeroshot.priors.untrained.deep_image_run import DeepImageRun
from zeroshot.problem import Problem

_SETTINGS: dict[str, Any] = {"channels": 8, "scales": 3, "precision": "float32", "guide": "none"}
_OPERATORS: dict[str, tuple[Operator, tuple[int, int]]] = {
    "denoise": (Identity(), (24, 32)),
    "inpaint": (Mask((uniform(1, 1, 24, 32, seed=3) > 0.4).float()), (24, 32)),
    "sr": (Downsample(2, "bicubic"), (12, 16)),
    "deblur": (Blur.gaussian(1.0), (24, 32)),
}


def _begun(task: str, seed: int = 0, **settings: Any) -> DeepImageRun:
    operator, size = _OPERATORS[task]
    y = uniform(1, 3, *size, seed=seed)
    problem = Problem(y * operator.mask if isinstance(operator, Mask) else y, operator, sigma=0.1, task=task)
    # What is cut out of a pool of noise is chosen on the CPU, where nothing is recorded.
    run = DeepImagePrior(**_SETTINGS, perturbation_noise="fresh", **settings).begin(problem, seeded(seed))
    assert isinstance(run, DeepImageRun)
    return run


def _course(run: DeepImageRun, steps: int = 12) -> tuple[list[float], torch.Tensor]:
    losses = []
    for _ in range(steps):
        estimate = run.step()
        losses.append(estimate.loss)
    return losses, estimate.image.clone()


@pytest.mark.parametrize(
    ("task", "settings"),
    [("denoise", {"optimiser": "muon"}), ("inpaint", {}), ("sr", {"optimiser": "muon"}), ("deblur", {})],
)
def test_a_recorded_step_is_the_step(
    task: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    losses, image = _course(_begun(task, **settings))
    made = record_on_the_cpu(monkeypatch, deep_image_run)
    recorded_losses, recorded_image = _course(_begun(task, **settings))
    assert [one.is_recorded for one in made] == [True, True]
    assert recorded_losses == pytest.approx(losses, rel=1e-3)
    assert torch.allclose(recorded_image, image, atol=2e-3)


def test_joined_steps_are_recorded_and_are_the_steps_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [_course(_begun("denoise", seed)) for seed in range(3)]
    monkeypatch.setattr(DeepImageRun, "joins_on", ("cpu",))
    made = record_on_the_cpu(monkeypatch, deep_image_run, joint_fit)
    runs = [_begun("denoise", seed) for seed in range(3)]
    losses: list[list[float]] = [[] for _ in runs]
    for _ in range(12):
        assert runs[0].join(runs[1:])
        for run, course in zip(runs, losses, strict=True):
            estimate = run.step()
            course.append(estimate.loss)
    joint = runs[0]._joint
    assert joint is not None
    assert joint.is_recorded
    # One fit of all, and the updates of each.
    assert sum(one.is_recorded for one in made) == 1 + len(runs)
    for course, (expected, _) in zip(losses, alone, strict=True):
        assert course == pytest.approx(expected, rel=1e-2)


def test_a_run_that_is_set_back_is_recorded_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    record_on_the_cpu(monkeypatch, deep_image_run)
    run = _begun("denoise")
    _course(run, 8)
    state = run.state_dict()
    expected = _course(run, 8)[0]
    run.load_state_dict(state)
    assert _course(run, 8)[0] == pytest.approx(expected, rel=1e-3)
