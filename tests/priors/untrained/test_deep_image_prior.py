"""Deep Image Prior: its networks, sizes, recipes, determinism and settings."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import zeroshot
from tests.pictures import seeded, uniform
from zeroshot.data_terms import L1
from zeroshot.memory import available_memory
from zeroshot.operators import Downsample, Identity, Mask
from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior
from zeroshot.priors.untrained.networks import Decoder, Network, ResNet, Skip, UNet
from zeroshot.priors.untrained.parametrization import Frame, Perturbation, fixed_input, scales_for
from zeroshot.priors.untrained.recipe_choice import hole_shape, recipe_for
from zeroshot.problem import Problem
from zeroshot.solvers.muon import Muon, orthogonalise

SMALL: dict[str, Any] = {"channels": 8, "scales": 3, "input_depth": 4}


def steps(prior: DeepImagePrior, problem: Problem, count: int, number: int = 0) -> list[torch.Tensor]:
    run = prior.start(problem, seeded(number))
    return [run.step().newest.clone() for _ in range(count)]


def test_the_published_network_has_its_published_size() -> None:
    assert Skip(32, 3).parameter_count() == 2_217_831


@pytest.mark.parametrize(
    "network",
    [
        Skip(4, 3, down=(8, 8), up=(8, 8), skip=(2, 0)),
        Skip(
            4, 3, down=(8, 8), up=(4, 8), skip=(0, 0), kernel_down=5, downsampling="average", pointwise=False
        ),
        UNet(4, 3, channels=(8, 8, 8), upsampling="nearest"),
        ResNet(4, 3, channels=8, blocks=2),
        Decoder(4, 3, channels=(8, 8)),
    ],
    ids=lambda network: type(network).__name__,
)
@pytest.mark.parametrize("padding", ["reflect", "replicate", "zeros"])
def test_a_network_makes_an_image_of_its_frame(network: Network, padding: str) -> None:
    network.initialise(seeded())
    multiple = network.size_multiple
    size = (3 * multiple, 5 * multiple)
    for module in network.modules():
        if hasattr(module, "padding"):
            module.padding = padding
    inner = (size[0] // network.input_reduction, size[1] // network.input_reduction)
    image = network(uniform(1, 4, *inner))
    assert image.shape == (1, 3, *size)
    assert image.min() >= 0
    assert image.max() <= 1


def test_initialisation_comes_from_the_generator_alone() -> None:
    before = torch.random.get_rng_state()
    prior = DeepImagePrior(**SMALL)
    problem = Problem(uniform(1, 3, 16, 16), Identity(), sigma=0.1)
    first, second = steps(prior, problem, 3), steps(prior, problem, 3)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], steps(prior, problem, 1, number=1)[0])
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("size", [(8, 8), (5, 900), (33, 47), (1, 64), (64, 64), (9, 4)])
@pytest.mark.parametrize("network", ["skip", "unet", "resnet", "decoder"])
def test_any_size_works(size: tuple[int, int], network: str) -> None:
    prior = DeepImagePrior(network=network, channels=4, input_depth=4, blocks=1, precision="float32")
    problem = Problem(uniform(1, 3, *size), Identity(), sigma=0.1)
    assert prior.supports(problem) is None
    images = steps(prior, problem, 2)
    assert images[-1].shape == (1, 3, *size)
    assert torch.isfinite(images[-1]).all()


def test_the_frame_crops_what_it_padded() -> None:
    image = uniform(1, 3, 13, 30)
    frame = Frame((13, 30), 8)
    assert frame.outer == (16, 32)
    assert torch.equal(frame.crop(frame.pad(image)), image)


def test_small_images_get_fewer_scales() -> None:
    assert scales_for((8, 8), 5) == 2
    assert scales_for((5, 900), 5) == 5
    assert scales_for((4, 4), 5) == 1


def test_a_meshgrid_holds_the_coordinates() -> None:
    grid = fixed_input("meshgrid", 2, (5, 9), 0.1, seeded())
    assert grid.shape == (1, 2, 5, 9)
    assert torch.equal(grid[0, 0, 2], torch.linspace(0, 1, 9))
    assert torch.equal(grid[0, 1, :, 3], torch.linspace(0, 1, 5))


@pytest.mark.parametrize("source", ["fresh", "pool"])
def test_the_perturbation_is_new_each_time_and_of_the_right_size(source: str) -> None:
    perturbation = Perturbation(torch.zeros(1, 8, 32, 32), 8, 0.03, source, seeded())
    first, second = perturbation.draw().clone(), perturbation.draw().clone()
    assert first.shape == (1, 8, 32, 32)
    assert first.is_contiguous(memory_format=torch.channels_last)
    assert not torch.equal(first, second)
    assert abs(float(first.std()) - 0.03) < 0.003


def test_the_fit_improves_and_the_image_beats_the_noise(photograph: torch.Tensor) -> None:
    clean = photograph[..., :48, :48]
    noisy = clean + torch.randn(clean.shape, generator=seeded()) * 25 / 255
    problem = Problem(noisy, Identity(), sigma=25 / 255, task="denoise")
    run = DeepImagePrior(channels=16, perturbation_noise="pool").start(problem, seeded())
    losses, image = [], noisy
    for _ in range(200):
        estimate = run.step()
        losses.append(estimate.loss)
        image = estimate.image
    assert sum(losses[-20:]) < 0.5 * sum(losses[:20])
    gain = 10 * torch.log10((noisy - clean).square().mean() / (image - clean).square().mean())
    assert gain > 3


def test_averaging_returns_the_exponential_average() -> None:
    problem = Problem(uniform(1, 1, 16, 16), Identity(), sigma=0.1)
    run = DeepImagePrior(**SMALL, averaging=0.5).start(problem, seeded())
    first = run.step().newest.clone()
    estimate = run.step()
    assert torch.allclose(estimate.image, 0.5 * first + 0.5 * estimate.newest, atol=1e-6)


def test_known_pixels_are_kept_where_they_are_exact() -> None:
    truth = uniform(1, 3, 16, 16)
    known = (uniform(1, 1, 16, 16, seed=1) < 0.5).float()
    operator = Mask(known)
    settings: dict[str, Any] = {**SMALL, "known_pixels": "keep"}
    exact = Problem(truth * known, operator, sigma=0.0, task="inpaint", measured=known)
    image = DeepImagePrior(**settings).start(exact, seeded()).step().image
    assert torch.equal(image * known, truth * known)
    noisy = Problem(truth * known, operator, sigma=0.1, task="inpaint", measured=known)
    image = DeepImagePrior(**settings).start(noisy, seeded()).step().image
    assert not torch.equal(image * known, truth * known)


def test_backtracking_takes_the_weights_back() -> None:
    problem = Problem(uniform(1, 1, 16, 16), Identity(), sigma=0.1)
    run = DeepImagePrior(**SMALL, backtracking=5.0).start(problem, seeded())
    for _ in range(100):
        run.step()
    good = [parameter.detach().clone() for parameter in run.network.parameters()]
    assert run.last_good is not None
    kept = run.last_good[1]
    with torch.no_grad():
        for parameter in run.network.parameters():
            parameter.add_(10.0)
    run.step()
    assert sum(float((weight - before).abs().max()) for weight, before in zip(kept, good, strict=True)) < 10
    for parameter, weight in zip(run.network.parameters(), kept, strict=True):
        assert torch.equal(parameter, weight)


def test_held_out_pixels_are_not_pasted_back() -> None:
    truth = uniform(1, 3, 16, 16)
    known = (uniform(1, 1, 16, 16, seed=1) < 0.5).float()
    problem = Problem(truth * known, Mask(known), sigma=0.0, task="inpaint", measured=known)
    problem = problem.hold_out(0.2, seeded())
    image = DeepImagePrior(**SMALL, known_pixels="keep").start(problem, seeded()).step().image
    kept = known.expand_as(truth) * (1 - problem.held_out)
    assert torch.equal(image * kept, truth * kept)
    assert problem.validation_loss(image) > 1e-4


def test_outliers_are_not_pasted_back() -> None:
    truth = uniform(1, 3, 16, 16)
    known = (uniform(1, 1, 16, 16, seed=1) < 0.5).float()
    problem = Problem(truth * known, Mask(known), L1(), sigma=0.0, task="inpaint", measured=known)
    image = DeepImagePrior(**SMALL, known_pixels="keep").start(problem, seeded()).step().image
    assert not torch.equal(image * known, truth * known)


def test_the_decoder_is_widest_where_it_is_coarsest() -> None:
    problem = Problem(uniform(1, 3, 32, 32), Identity(), sigma=0.1)
    run = DeepImagePrior(network="decoder", channels=(4, 8, 16), input_depth=4).start(problem, seeded())
    kernels = [p for p in run.network.parameters() if p.ndim == 4]
    assert [kernel.shape[0] for kernel in kernels[:3]] == [16, 8, 4]


def test_several_channels_set_the_number_of_scales() -> None:
    assert DeepImagePrior(channels=(4, 8)).scales == 2
    problem = Problem(torch.rand(1, 3, 16, 16), Identity(), sigma=0.1)
    with pytest.raises(ValueError, match="one per scale"):
        DeepImagePrior.for_problem(problem, channels=(4, 8), scales=3)


def test_the_help_names_recipes_and_choices() -> None:
    text = DeepImagePrior.settings_help()
    assert "one of skip, unet, resnet, decoder" in text
    assert "restoration.ipynb" in text
    for field in DeepImagePrior().settings():
        assert field in text


def test_the_step_shrinks() -> None:
    problem = Problem(uniform(1, 3, 16, 16), Identity(), sigma=0.1)
    run = DeepImagePrior(**SMALL, learning_rate=0.01).start(problem, seeded())
    run.shrink_step(0.1)
    assert run.optimiser.param_groups[0]["lr"] == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("scale", "iterations", "perturbation"), [(2, 2000, 0.03), (4, 2000, 0.03), (8, 4000, 0.05)]
)
def test_the_reference_recipe_of_super_resolution(scale: int, iterations: int, perturbation: float) -> None:
    problem = Problem(torch.rand(1, 3, 16, 16), Downsample(scale), sigma=0.0, task="sr")
    prior = DeepImagePrior.for_problem(problem, recipe="reference")
    assert (prior.iterations, prior.perturbation) == (iterations, perturbation)
    assert (prior.channels, prior.input_depth, prior.precision) == (128, 32, "float32")


def test_the_reference_recipe_of_denoising() -> None:
    problem = Problem(torch.rand(1, 3, 16, 16), Identity(), sigma=0.1, task="denoise")
    prior = DeepImagePrior.for_problem(problem, recipe="reference")
    assert (prior.iterations, prior.learning_rate, prior.input_depth) == (3000, 0.01, 32)
    assert prior.perturbation == pytest.approx(1 / 30)


def mask_problem(mask: torch.Tensor) -> Problem:
    return Problem(torch.zeros(1, 3, *mask.shape[-2:]), Mask(mask), sigma=0.0, task="inpaint", measured=mask)


def test_the_reference_recipe_of_inpainting_depends_on_the_holes() -> None:
    noise = uniform(1, 1, 128, 128)
    letters = torch.ones(1, 1, 128, 128)
    letters[..., 20:26, 10:90] = 0
    region = torch.ones(1, 1, 128, 128)
    region[..., 40:90, 40:90] = 0
    rows = {
        "half": (noise < 0.5).float(),
        "few": (noise < 0.02).float(),
        "letters": letters,
        "region": region,
    }
    iterations = {
        name: recipe_for("reference", mask_problem(mask)).settings["iterations"]
        for name, mask in rows.items()
    }
    assert iterations == {"half": 11000, "few": 1000, "letters": 6001, "region": 3001}


def test_the_shape_of_holes_is_measured() -> None:
    mask = torch.ones(1, 1, 64, 64)
    mask[..., 20:41, 20:41] = 0
    missing, radius = hole_shape(mask_problem(mask))
    assert missing == pytest.approx(21 * 21 / 64**2)
    assert radius == pytest.approx(11)


def test_settings_go_over_the_recipe() -> None:
    problem = Problem(torch.rand(1, 3, 16, 16), Identity(), sigma=0.1, task="denoise")
    prior = DeepImagePrior.for_problem(problem, channels=48, iterations=7)
    assert (prior.recipe, prior.channels, prior.iterations) == ("fast", 48, 7)
    assert prior.settings()["channels"] == 48


def test_a_batch_and_a_speck_are_refused() -> None:
    prior = DeepImagePrior()
    assert "one by one" in str(prior.supports(Problem(torch.zeros(2, 3, 16, 16), Identity())))
    assert "too small" in str(prior.supports(Problem(torch.zeros(1, 3, 2, 3), Identity())))


def test_an_image_that_memory_cannot_hold_is_refused_before_any_work() -> None:
    vast = torch.zeros(1, 1, 1, 1).expand(1, 3, 400_000, 400_000)
    reason = DeepImagePrior().supports(Problem(vast, Identity(), sigma=0.1))
    if available_memory() is None or torch.cuda.is_available():
        assert reason is None
    else:
        assert "GiB" in str(reason)


def test_orthogonalise_brings_singular_values_near_one() -> None:
    for shape in ((3, 16, 40), (2, 40, 16)):
        singular = torch.linalg.svdvals(orthogonalise(torch.randn(shape, generator=seeded())))
        assert singular.min() > 0.6
        assert singular.max() < 1.3


def test_muon_solves_least_squares() -> None:
    target = 0.2 * torch.randn(8, 4, 3, 3, generator=seeded())
    kernel = torch.nn.Parameter(torch.zeros_like(target))
    bias = torch.nn.Parameter(torch.zeros(8))
    optimiser = Muon([kernel], [bias], lr=0.02, adam_lr=0.02)
    for step in range(400):
        for group in optimiser.param_groups:
            group["lr"] = 0.02 * (1 - step / 400)
        optimiser.zero_grad()
        ((kernel - target).square().mean() + (bias - 1).square().mean()).backward()
        optimiser.step()
    assert (kernel - target).square().mean() < 1e-2
    assert (bias - 1).abs().max() < 1e-2


def test_bfloat16_and_float32_agree_at_the_start() -> None:
    problem = Problem(uniform(1, 3, 32, 32), Identity(), sigma=0.1)
    images = [
        steps(DeepImagePrior(**SMALL, precision=precision), problem, 1)[0]
        for precision in ("float32", "bfloat16")
    ]
    assert (images[0] - images[1]).abs().mean() < 0.02


def test_the_run_is_found_through_solve(photograph: torch.Tensor) -> None:
    result = zeroshot.solve(photograph[0], "denoise", "dip", sigma=0.1, settings={**SMALL, "iterations": 3})
    assert result.image.shape == photograph[0].shape
    assert result.provenance["prior"] == "dip"
