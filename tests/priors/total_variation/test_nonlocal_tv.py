"""Properties of non-local total variation: the graph, its gradient, and what it restores."""

from __future__ import annotations

import math

import pytest
import torch

from tests.pictures import SIGMA, decibels, denoising, seeded, with_noise
from tests.priors.total_variation.solutions import solution
from zeroshot.data_terms import L1, Gaussian
from zeroshot.noise import add_salt_and_pepper, random_mask
from zeroshot.operators.blur import Blur
from zeroshot.operators.identity import Identity
from zeroshot.operators.mask import Mask
from zeroshot.operators.mosaic import Mosaic
from zeroshot.operators.operator import Operator
from zeroshot.priors.total_variation.nonlocal_tv import NonlocalTotalVariation
from zeroshot.priors.total_variation.tv import TotalVariation
from zeroshot.problem import Problem
from zeroshot.solvers import nonlocal_gradient
from zeroshot.solvers.nonlocal_gradient import NonlocalPenalty, similarity_graph


def weave(size: int = 48) -> torch.Tensor:
    """A periodic texture that total variation takes for noise."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    pattern = 0.5 + 0.2 * torch.sin(2 * math.pi * rows / 4) * torch.sin(2 * math.pi * columns / 6)
    return pattern[None, None]


# --- the graph ---------------------------------------------------------------------------------------------


def test_similar_pixels_are_those_of_a_literal_search(generator: torch.Generator) -> None:
    image = torch.rand(1, 2, 9, 8, generator=generator)
    graph = similarity_graph(image, count=3, patch=3, radius=2)
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1), mode="replicate")[0]

    def distance(i: int, j: int, k: int, m: int) -> float:
        difference = padded[:, i : i + 3, j : j + 3] - padded[:, k : k + 3, m : m + 3]
        return difference.square().mean().item()

    for i in range(9):
        for j in range(8):
            # The window is moved inwards at the edges.
            top, left = min(max(i - 2, 0), 9 - 5), min(max(j - 2, 0), 8 - 5)
            found = sorted(
                (distance(i, j, k, m), k * 8 + m)
                for k in range(top, top + 5)
                for m in range(left, left + 5)
                if (k, m) != (i, j)
            )[:3]
            place = i * 8 + j
            assert [p for _, p in found] == graph.neighbours[0, :3, place].tolist()
            mean = sum(d for d, _ in found) / 3
            beside = distance(i, j, i, min(j + 1, 7))
            expected = [math.exp(-d / mean) for d, _ in found]
            expected.append(math.exp(-beside / mean) if j < 7 else 0.0)
            assert graph.lengths[0, :4, place].square().tolist() == pytest.approx(expected, rel=1e-3)


def test_strips_of_a_large_image_give_the_graph_of_the_whole(
    generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = torch.rand(1, 1, 50, 16, generator=generator)
    whole = similarity_graph(image, count=4, patch=3, radius=5)
    monkeypatch.setattr(nonlocal_gradient, "_PIXELS_AT_ONCE", 160)
    strips = similarity_graph(image, count=4, patch=3, radius=5)
    assert torch.equal(whole.neighbours, strips.neighbours)
    torch.testing.assert_close(whole.lengths, strips.lengths, atol=1e-4, rtol=1e-3)


def test_a_periodic_texture_is_joined_to_its_repetitions() -> None:
    image = weave(36)
    graph = similarity_graph(image, count=4, patch=5, radius=8)
    values = image.flatten()
    joined = values[graph.neighbours[0, :4].long()].view(4, 36, 36)
    torch.testing.assert_close(
        joined[..., 8:-8, 8:-8], image[0, :, 8:-8, 8:-8].expand(4, -1, -1), atol=1e-3, rtol=0
    )


# --- the penalty -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coupling", ["vectorial", "channels"])
def test_the_value_is_a_literal_transcription_and_the_adjoint_is_one(
    coupling: str, generator: torch.Generator
) -> None:
    guide = torch.rand(2, 3, 5, 6, generator=generator)
    graph = similarity_graph(guide, count=2, patch=3, radius=2)
    penalty = NonlocalPenalty(guide, graph, coupling, chroma=2.0)  # type: ignore[arg-type]
    x = torch.rand(guide.shape, generator=generator)
    (z,) = (z.clone() for z in penalty.apply(x, []))
    transformed = 2 * x - x.mean(dim=1, keepdim=True)
    expected = 0.0
    for n in range(2):
        for i in range(30):
            squared = torch.zeros(3)
            for k in range(6):
                j = int(graph.neighbours[n, k, i])
                step = transformed[n].flatten(1)[:, j] - transformed[n].flatten(1)[:, i]
                squared += (graph.lengths[n, k, i] * step).square()
            expected += float(squared.sum().sqrt() if coupling == "vectorial" else squared.sqrt().sum())
    assert float(penalty.value([z.clone()])) == pytest.approx(expected, rel=1e-5)
    p = torch.randn(z.shape, generator=generator)
    back = torch.empty_like(x)
    penalty.adjoint([p], out=back)
    torch.testing.assert_close((z * p).sum(), (x * back).sum(), atol=1e-3, rtol=1e-4)


def test_the_norm_is_bounded(generator: torch.Generator) -> None:
    guide = torch.rand(1, 1, 20, 20, generator=generator)
    penalty = NonlocalPenalty(guide, similarity_graph(guide, 5, 3, 5))
    x = torch.randn(guide.shape, generator=generator)
    for _ in range(100):
        back = torch.empty_like(x)
        penalty.adjoint([z.clone() for z in penalty.apply(x, [])], out=back)
        length = back.norm().item()
        x = back / length
    assert 0.95 * penalty.norm_squared < length < penalty.norm_squared


# --- solutions ---------------------------------------------------------------------------------------------


def test_a_constant_image_comes_back() -> None:
    y = torch.full((1, 3, 20, 17), 0.6)
    estimate, _ = solution(NonlocalTotalVariation(iterations=100), Problem(y, Identity(), sigma=0.0))
    torch.testing.assert_close(estimate.image, y, atol=1e-4, rtol=0)


def test_a_periodic_texture_is_kept_where_total_variation_flattens_it() -> None:
    clean = weave()
    problem = denoising(clean)
    ours = solution(NonlocalTotalVariation.for_problem(problem), problem)[0].image
    theirs = solution(TotalVariation.for_problem(problem), problem)[0].image
    assert decibels(ours, clean) > decibels(theirs, clean) + 2


@pytest.mark.parametrize(
    "name",
    ["denoise", "inpaint", "deblur", pytest.param("demosaic", marks=pytest.mark.slow), "outliers"],
)
def test_restores_better_than_the_first_estimate(name: str, photograph: torch.Tensor) -> None:
    crop = photograph[..., 8:56, 8:56].contiguous()
    mask = random_mask(crop.shape, 0.5, seeded())
    operators: dict[str, Operator] = {
        "inpaint": Mask(mask),
        "deblur": Blur.gaussian(1.5),
        "demosaic": Mosaic("RGGB"),
    }
    operator = operators.get(name, Identity())
    sigma = {"denoise": SIGMA, "deblur": 2 / 255}.get(name, 0.0)
    y = with_noise(operator(crop), sigma)
    term = Gaussian()
    if name == "outliers":
        y, term = add_salt_and_pepper(crop, 0.1, seeded()), L1()
    measured = mask if name == "inpaint" else None
    problem = Problem(y, operator, term, sigma=sigma, task=name, measured=measured)
    estimate, _ = solution(NonlocalTotalVariation.for_problem(problem), problem)
    gain = decibels(estimate.image, crop) - decibels(problem.initial(), crop)
    assert gain > {"denoise": 6, "inpaint": 1, "deblur": 0.5, "demosaic": 3, "outliers": 6}[name]


def test_the_gap_is_a_certificate_once_the_last_graph_stands(photograph: torch.Tensor) -> None:
    problem = denoising(photograph[..., :40, :37].contiguous())
    prior = NonlocalTotalVariation(weight=0.05, updates=1, iterations=400)
    run = prior.begin(problem, seeded())
    steps = [run.step() for _ in range(40)]
    certified = [step for step in steps if step.gap is not None]
    assert 0 < len(certified) < 40
    bounds = [step.loss * (1 - step.gap) for step in certified if step.gap is not None]
    assert max(bounds) <= min(step.loss for step in certified) * (1 + 1e-6)
    assert certified[-1].gap == pytest.approx(0, abs=1e-3)


def test_small_weights_keep_the_measurement_and_large_ones_flatten_it(photograph: torch.Tensor) -> None:
    x = photograph[..., :24, :24].contiguous()
    problem = Problem(x, Identity(), sigma=0.1)
    prior = NonlocalTotalVariation(weight=5e-4, updates=0, iterations=400, tolerance=1e-4)
    torch.testing.assert_close(solution(prior, problem)[0].image, x, atol=6e-3, rtol=0)
    flat = solution(NonlocalTotalVariation(weight=3.0, updates=0, iterations=2000), problem)[0].image
    assert flat.std(dim=(-2, -1)).max() < 0.2 * x.std(dim=(-2, -1)).min()


def test_the_chosen_weight_satisfies_the_discrepancy_principle(photograph: torch.Tensor) -> None:
    problem = denoising(photograph[..., :64, :64].contiguous())
    prior = NonlocalTotalVariation.for_problem(problem)
    estimate, _ = solution(prior, problem)
    assert problem.residual(estimate.image) == pytest.approx(prior.discrepancy * SIGMA, rel=0.02)


# --- the run -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 1, 9), (2, 3, 7, 5)], ids=str)
def test_images_smaller_than_patches_and_windows(shape: tuple[int, ...], generator: torch.Generator) -> None:
    problem = Problem(torch.rand(shape, generator=generator), Identity(), sigma=0.1, task="denoise")
    estimate, _ = solution(NonlocalTotalVariation(iterations=60), problem)
    assert estimate.image.shape == shape
    assert torch.isfinite(estimate.image).all()


def test_a_run_resumed_after_the_graph_changed_gives_the_same_bytes(photograph: torch.Tensor) -> None:
    problem = denoising(photograph[..., :40, :40].contiguous())
    prior = NonlocalTotalVariation.for_problem(problem, iterations=120)
    whole, first, second = (prior.begin(problem, seeded()) for _ in range(3))
    for _ in range(5):
        first.step()
    state = first.state_dict()
    assert state["updates"] > 0
    second.load_state_dict(state)
    for _ in range(10):
        expected = whole.step()
    for _ in range(5):
        resumed = second.step()
    assert torch.equal(resumed.image, expected.image)
    assert (resumed.loss, resumed.gap) == (expected.loss, expected.gap)
