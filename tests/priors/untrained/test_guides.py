"""The guides of Deep Image Prior: what makes them, who sees them, and how the result moves away from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

import zeroshot
from tests.pictures import seeded, uniform
from zeroshot.loop import Loop
from zeroshot.operators import Downsample, Identity, Mask, from_functions
from zeroshot.priors.untrained.blending import Blend
from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior
from zeroshot.priors.untrained.guide import affordable, guide_image
from zeroshot.problem import Problem

SMALL: dict[str, Any] = {"channels": 8, "scales": 3, "input_depth": 4}


@pytest.mark.parametrize("guide", [3, -1.0, True, "nope", ("tv",)])
def test_a_guide_of_a_wrong_kind_is_refused_by_name(guide: object) -> None:
    with pytest.raises(ValueError, match="guide"):
        DeepImagePrior(guide=guide)  # type: ignore[arg-type]


def test_a_guide_widens_the_input_and_is_not_the_answer() -> None:
    y = uniform(1, 3, 32, 32)
    problem = Problem(y, Identity(), sigma=0.1, task="denoise")
    for guide in ("initial", "tv"):
        run = DeepImagePrior(**SMALL, guide=guide).start(problem, seeded())
        assert run.z.shape[1] == 4 + 3
        assert torch.isfinite(run.step().image).all()


def test_the_guide_does_not_see_held_out_pixels() -> None:
    y = uniform(1, 3, 24, 24)
    problem = Problem(y, Identity(), sigma=0.1, task="denoise").hold_out(0.1, seeded())
    assert problem.held_out is not None
    other = replace(problem, y=torch.where(problem.held_out > 0, 1 - y, y))
    for kind in ("tv", "bm3d", "wavelet"):
        assert torch.equal(guide_image(kind, problem), guide_image(kind, other))


def test_the_guide_has_settings_of_its_own() -> None:
    problem = Problem(uniform(1, 3, 24, 24), Identity(), sigma=0.1, task="denoise")
    plain, rough = guide_image("tv", problem), guide_image("tv", problem, {"iterations": 1})
    run = DeepImagePrior(**SMALL, guide="tv", guide_settings={"iterations": 1}).start(problem, seeded())
    assert run.guide is not None
    assert torch.equal(run.guide, rough)
    assert not torch.equal(rough, plain)


def test_the_guide_of_holes_takes_held_out_pixels_for_holes() -> None:
    y = uniform(1, 1, 24, 24)
    known = (uniform(1, 1, 24, 24, seed=1) < 0.7).float()
    problem = Problem(y * known, Mask(known), sigma=0.0, task="inpaint", measured=known).hold_out(
        0.1, seeded()
    )
    assert problem.held_out is not None
    shown = known * (1 - problem.held_out)
    poorer = Problem(y * shown, Mask(shown), sigma=0.0, task="inpaint", measured=shown)
    assert torch.equal(guide_image("dct", problem), guide_image("dct", poorer))


def test_a_run_cut_short_returns_nothing_worse_than_its_guide(photograph: torch.Tensor) -> None:
    clean = photograph[..., :64, :64]
    noisy = clean + torch.randn(clean.shape, generator=seeded()) * 25 / 255
    problem = Problem(noisy, Identity(), sigma=25 / 255, task="denoise").hold_out(0.03, seeded())
    run = DeepImagePrior.for_problem(problem, channels=8).start(problem, seeded())
    guide = guide_image(run.guide_kind, problem)
    for _ in range(10):
        assert problem.validation_loss(run.step().image) <= problem.validation_loss(guide) + 1e-9


def test_the_result_moves_from_the_guide_to_the_network_on_schedule(photograph: torch.Tensor) -> None:
    small = photograph[..., :32, :32]
    problem = Problem(small, Downsample(2), sigma=0.0, task="sr")
    prior = DeepImagePrior(**SMALL, guide="tv", network_share=0.5, handover=(2, 4))
    run = prior.start(problem, seeded())
    guide = guide_image("tv", problem)
    shares = []
    for _ in range(5):
        image = run.step().image
        assert run.average is not None
        whole = (run.average - guide).norm()
        shares.append(float((image - guide).norm() / whole))
    assert shares == pytest.approx([0, 0, 0.25, 0.5, 0.5], abs=1e-4)


def test_the_held_out_weight_is_that_of_least_squares() -> None:
    guide, truth = torch.zeros(1, 3, 16, 16), uniform(1, 3, 16, 16)
    problem = Problem(truth, Identity(), sigma=0.1, task="denoise").hold_out(0.2, seeded())
    blend = Blend(guide, problem, 1.0, (0, 0))
    assert blend.weight(2 * truth, 1) == pytest.approx(0.5)
    assert blend.weight(-truth, 1) == 0
    assert blend.weight(0.5 * truth, 1) == 1
    assert Blend(guide, problem, 0.3, (0, 0)).weight(2 * truth, 1) == pytest.approx(0.3)


@pytest.mark.filterwarnings("ignore:the result predicts")
def test_the_result_names_the_guide_and_what_the_network_weighs_beside_it(photograph: torch.Tensor) -> None:
    small = photograph[..., :32, :32]
    settings = {**SMALL, "guide": "tv", "network_share": 0.5, "handover": (2, 4)}
    for iterations, share in ((1, 0.0), (3, 0.25), (5, 0.5)):
        stop = zeroshot.MaxIterations(iterations)
        result = zeroshot.solve(small, "sr", DeepImagePrior(**settings), scale=2, stopping=stop)
        assert result.findings == {"guide": "tv", "network_share": share}
        network = round(100 * share)
        assert f"{100 - network} % tv guide, {network} % network" in result.stopped_by


@pytest.mark.filterwarnings("ignore:the result predicts")
@pytest.mark.parametrize("none", ["none", None])
def test_without_a_guide_the_network_stands_for_itself(none: str | None, photograph: torch.Tensor) -> None:
    small = photograph[..., :32, :32]
    mask = torch.ones(1, 1, 32, 32)
    mask[..., ::3, ::2] = 0
    cases: list[tuple[str, dict[str, Any]]] = [
        ("denoise", {"sigma": 0.1}),
        ("denoise", {"sigma": 0.02}),
        ("inpaint", {"mask": mask}),
        ("sr", {"scale": 2}),
        ("deblur", {"kernel": torch.ones(3, 3) / 9, "sigma": 0.01}),
    ]
    for task, options in cases:
        given = {"guide": none, "channels": 8, "iterations": 2}
        result = zeroshot.solve(small, task, "dip", settings=given, **options)
        assert result.findings == {"guide": "none", "network_share": 1.0}
        assert "guide" not in result.stopped_by


def test_a_run_without_time_for_a_step_gives_its_guide_and_names_it(photograph: torch.Tensor) -> None:
    problem = Problem(photograph[..., :48, :48], Identity(), sigma=0.1, task="denoise")
    prior = DeepImagePrior(**SMALL, guide="tv", network_share=0.5)
    loop = Loop(problem, prior, generator=seeded(), seconds=1e6)
    loop._deadline.spend(1e6)
    loop.complete()
    assert loop.iteration == 0
    assert loop.reason.endswith("before its first step was done, so that this is the tv guide")
    assert torch.equal(loop.result(), guide_image("tv", problem))
    assert loop.run.remark() == "100 % tv guide, 0 % network"


def test_a_short_budget_takes_a_cheaper_guide(photograph: torch.Tensor) -> None:
    problem = Problem(photograph[..., :48, :48], Identity(), sigma=0.1, task="denoise").hold_out(
        0.03, seeded()
    )
    kinds = [affordable("bm3d", problem, seconds, 1.0) for seconds in (1e9, 5.0, 0.0)]
    assert kinds[0] == "bm3d"
    assert kinds[1] in ("wavelet", "tv")
    assert kinds[2] == "tv"
    unwatched = replace(problem, held_out=None)
    assert affordable("bm3d", unwatched, 0.0, 1.0) == "initial"
    hurried = DeepImagePrior.for_problem(problem, channels=8).within(1e-6).start(problem, seeded())
    assert hurried.findings() == {"guide": "tv", "network_share": 0.0}


@pytest.mark.parametrize(
    "settings",
    [
        {"input": "meshgrid"},
        {"network": "decoder"},
        {"network": "resnet", "blocks": 1},
        {"scales": 2, "channels": (4, 4)},
    ],
)
def test_every_network_can_be_timed_for_a_budget(settings: dict[str, Any]) -> None:
    problem = Problem(uniform(1, 3, 40, 33), Identity(), sigma=0.1, task="denoise")
    prior = DeepImagePrior(**{**SMALL, **settings}, guide="wavelet").within(100.0)
    run = prior.start(problem, seeded())
    assert run.findings()["guide"] == "wavelet"
    assert torch.isfinite(run.step().image).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network_share": 0}, "network_share must be"),
        ({"network_share": 1.5}, "network_share must be"),
        ({"handover": (5, 2)}, "handover must be"),
        ({"handover": 5}, "handover must be"),
        ({"budget": -1}, "budget must be"),
        ({"guide_settings": {"colour": "red"}}, "colour"),
        ({"guide_settings": 3}, "guide_settings is a dict"),
    ],
)
def test_settings_of_the_blend_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DeepImagePrior(guide="tv", **settings)  # type: ignore[arg-type]


def test_small_images_hold_out_a_larger_share() -> None:
    shares = []
    for side in (64, 256, 600):
        problem = Problem(torch.zeros(1, 1, side, side), Identity(), sigma=0.1, task="denoise")
        shares.append(DeepImagePrior.for_problem(problem).held_out)
    assert shares == [0.03, 0.015, 0.01]


def test_only_holes_within_a_patch_are_filled_with_a_guide() -> None:
    truth = uniform(1, 3, 48, 48)
    scattered = (uniform(1, 1, 48, 48, seed=1) < 0.5).float()
    region = torch.ones(1, 1, 48, 48)
    region[..., 10:30, 10:30] = 0
    guides = []
    for known in (scattered, region):
        problem = Problem(truth * known, Mask(known), sigma=0.0, task="inpaint", measured=known)
        guides.append(DeepImagePrior.for_problem(problem).guide)
    assert guides == ["pnp", "initial"]


def test_a_fallback_is_where_the_result_begins_and_nothing_the_network_reads() -> None:
    truth = uniform(1, 3, 32, 32)
    problem = Problem(truth, Downsample(2), sigma=0.0, task="sr", reference_shape=(1, 3, 64, 64))
    settings = {**SMALL, "guide": "initial", "network_share": 1.0, "handover": (2, 3)}
    plain = DeepImagePrior(**SMALL).start(problem, seeded())
    run = DeepImagePrior(**settings, guide_role="fallback").start(problem, seeded())
    assert torch.equal(run.z, plain.z)
    assert torch.equal(run.step().image, problem.initial())
    for _ in range(2):
        image = run.step().image
    assert run.average is not None
    assert torch.equal(image, run.average)


def test_a_guide_that_would_leak_is_refused() -> None:
    with pytest.raises(ValueError, match="held-out"):
        DeepImagePrior(guide="initial", stopping="held_out")


def test_an_operator_that_is_not_linear_does_without_the_guide() -> None:
    square = from_functions(lambda x: x.square(), linear=False)
    problem = Problem(uniform(1, 3, 16, 16), square, sigma=0.1)
    prior = DeepImagePrior.for_problem(problem, channels=8)
    assert prior.guide == "none"
    assert torch.isfinite(prior.start(problem, seeded()).step().image).all()
