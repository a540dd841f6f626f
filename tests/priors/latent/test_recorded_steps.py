"""Steps of the priors of generators that are recorded once and replayed are those that are made anew each time."""

from __future__ import annotations

import pytest
import torch

from tests.pictures import seeded
from tests.recorded_steps import record_on_the_cpu
from zeroshot.operators import Downsample, Identity
from zeroshot.priors.latent import run as latent_run
from zeroshot.priors.latent.inversion import Inversion
from zeroshot.priors.latent.mgan import MultiCodeGAN
from zeroshot.priors.latent.pulse import Pulse
from zeroshot.problem import Problem

_PRIORS = {
    "inversion z": lambda tame: Inversion(weights=tame, space="z"),
    "inversion w+": lambda tame: Inversion(weights=tame, space="w+", noise="optimised"),
    "tuning": lambda tame: Inversion(weights=tame, iterations=6, tuning_iterations=10),
    "pulse": lambda tame: Pulse(weights=tame, samples=2, statistics_samples=64),
    "mgan": lambda tame: MultiCodeGAN(weights=tame, codes=3),
}


@pytest.fixture
def problem(tame):
    z = torch.randn(1, tame.z_dim, generator=seeded(11))
    with torch.no_grad():
        image = tame.synthesis(tame.mapping(z)).clamp(0, 1)
    operator = Downsample(2, "bicubic")
    return Problem(operator(image), operator, sigma=0.0, task="sr")


def _course(prior, problem):
    run = prior.start(problem, seeded())
    estimates = [run.step() for _ in range(14)]
    return run, [estimate.loss for estimate in estimates], estimates[-1].image.clone(), run.arrays()


@pytest.mark.parametrize("name", list(_PRIORS))
def test_a_recorded_step_is_the_step(tame, problem, name, monkeypatch):
    _, losses, image, arrays = _course(_PRIORS[name](tame), problem)
    made = record_on_the_cpu(monkeypatch, latent_run)
    _, recorded_losses, recorded_image, recorded_arrays = _course(_PRIORS[name](tame), problem)
    assert [one.is_recorded for one in made] == [True]
    assert recorded_losses == pytest.approx(losses, rel=1e-4)
    assert torch.allclose(recorded_image, image, atol=1e-3)
    assert recorded_arrays.keys() == arrays.keys()
    for key, array in arrays.items():
        assert torch.allclose(recorded_arrays[key], array, atol=1e-3), key


def test_a_run_that_is_set_back_is_recorded_anew(tame, problem, monkeypatch):
    record_on_the_cpu(monkeypatch, latent_run)
    run = Inversion(weights=tame).start(Problem(problem.initial(), Identity(), sigma=0.0), seeded())
    for _ in range(6):
        run.step()
    state = run.state_dict()
    expected = [run.step().loss for _ in range(6)]
    run.load_state_dict(state)
    assert [run.step().loss for _ in range(6)] == pytest.approx(expected, rel=1e-4)
