"""One run of plug and play: what its denoiser is given and may return, and what it leaves out when time is short."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from tests.pictures import damaged, seeded
from zeroshot.deadline import Deadline, kept
from zeroshot.operators import Blur, Identity
from zeroshot.priors.plug_and_play import run as run_of_plug_and_play
from zeroshot.priors.plug_and_play.pnp import PlugAndPlay
from zeroshot.priors.warm_start import first_image
from zeroshot.problem import Problem


def test_a_denoiser_that_returns_nan_is_named() -> None:
    problem = Problem(torch.rand(1, 1, 8, 8), Blur.gaussian(1.0), sigma=0.1, task="deblur")
    run = PlugAndPlay(lambda noisy, sigma: noisy / 0).begin(problem, seeded())
    with pytest.raises(ValueError, match="denoiser returned values that are not finite at iteration 1"):
        run.step()


def test_a_denoiser_that_changes_the_size_is_named(photograph: torch.Tensor) -> None:
    prior = PlugAndPlay(denoiser=lambda x, sigma: x[..., 1:], iterations=2)
    with pytest.raises(
        ValueError, match=r"must return an image of shape \(1, 3, 96, 96\), got \(1, 3, 96, 95\)"
    ):
        prior.begin(damaged("inpaint", photograph), seeded()).step()


def test_chroma_is_denoised_as_if_it_were_noisier(photograph: torch.Tensor) -> None:
    def soft(noisy: torch.Tensor, sigma: float) -> torch.Tensor:
        return functional.softshrink(noisy, sigma)

    grey, colours = torch.full((1, 3, 5, 5), 0.5), torch.tensor([0.3, 0.0, -0.3]).view(1, 3, 1, 1)
    problem = Problem((grey + colours).clone(), Identity(), sigma=0.0, task="restore")
    run = PlugAndPlay(denoiser=soft, chroma=3.0, iterations=1, sigma_start=0.1, sigma_end=0.1).begin(
        problem, seeded()
    )
    run.step()
    # 0.5 ± 0.1 in place of 0.5 ± 0.3 is what is shrunk by 0.1.
    torch.testing.assert_close(run.splitting.image, grey - 0.1 + colours)


def test_levels_that_there_is_no_time_for_are_left_out_up_to_the_last(
    photograph: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = damaged("sr", photograph)
    prior = PlugAndPlay.for_problem(problem, denoiser=lambda noisy, sigma: noisy, initial=None, iterations=8)
    run = prior.begin(problem, seeded())
    levels = list(run.levels)
    run.step()
    monkeypatch.setattr(run, "_seconds", 1.0)
    monkeypatch.setattr(run_of_plug_and_play, "seconds_left", lambda: 3.5)
    run.step()
    assert run.levels == [levels[0], levels[3], levels[5], levels[7]]
    again = prior.begin(problem, seeded())
    again.load_state_dict(run.state_dict())
    assert again.levels == run.levels


def test_what_a_run_begins_with_is_its_result_where_the_time_ends(photograph: torch.Tensor) -> None:
    problem = damaged("sr", photograph[..., :32, :32].contiguous())
    run = PlugAndPlay.for_problem(problem, denoiser=lambda noisy, sigma: noisy).begin(problem, seeded())
    image, called = run.beginning()
    assert called == "the tv solution"
    assert torch.equal(image, first_image("tv", problem, seeded()).image)
    with kept(Deadline(0.2)):
        short = first_image("tv", damaged("sr", photograph.repeat(1, 1, 4, 4)), seeded())
    assert short.called == "the tv solution"
